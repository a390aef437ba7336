// npm sns-validator, the vendor's own: what it says of each envelope of standard input (a JSON list), one JSON line each.
// Its certificate comes from a file, and not from the network: everything else is its own.
const fs = require('fs')
const https = require('https')
const path = require('path')
const { Readable } = require('stream')

const folder = process.env.PEER_FOLDER
const [certificate] = process.argv.slice(2)
const asked = []
https.get = (url, heard) => {
  asked.push(String(url))
  const answer = Readable.from([fs.readFileSync(certificate)])
  answer.statusCode = 200
  process.nextTick(() => heard(answer))
  return { on: () => {} }
}
const Validator = require(path.join(folder, 'node_modules', 'sns-validator'))
const validator = new Validator()
for (const envelope of JSON.parse(fs.readFileSync(0, 'utf8'))) {
  validator.validate(envelope, error => {
    console.log(JSON.stringify({ id: envelope.MessageId, believed: !error, why: error && error.message }))
  })
}
process.on('exit', () => console.log(JSON.stringify({ asked })))
