// npm twilio, the vendor's own library. `sign TOKEN` signs each [url, fields] of standard input (a JSON list), one JSON line each;
// `client URL ACCOUNT TOKEN FROM TO` says what its client makes of what stands at an address.
const fs = require('fs')
const path = require('path')

const twilio = require(path.join(process.env.PEER_FOLDER, 'node_modules', 'twilio'))
const webhooks = require(path.join(process.env.PEER_FOLDER, 'node_modules', 'twilio', 'lib', 'webhooks', 'webhooks'))
const tell = line => console.log(JSON.stringify(line))
const [mode, ...rest] = process.argv.slice(2)

if (mode === 'sign') {
  const [token] = rest
  for (const [url, fields] of JSON.parse(fs.readFileSync(0, 'utf8'))) {
    const signature = webhooks.getExpectedTwilioSignature(token, url, fields)
    tell({ signature, believed: twilio.validateRequest(token, signature, url, fields) })
  }
} else {
  const [url, account, token, from, to] = rest
  // Its client, told where the vendor is.
  class Here extends twilio.RequestClient {
    request (options) {
      const there = new URL(options.uri)
      return super.request({ ...options, uri: url + there.pathname + there.search })
    }
  }
  const client = new twilio.Twilio(account, token, { httpClient: new Here(), autoRetry: false })
  const step = async (name, call) => {
    try {
      tell({ step: name, answer: await call() })
    } catch (error) {
      tell({ step: name, code: error.code, status: error.status })
    }
  }
  const message = one => ({ sid: one.sid, status: one.status, price: one.price, body: one.body, segments: one.numSegments })
  const run = async () => {
    const body = 'Grüße 👍'
    const statusCallback = 'https://sms.example.com/x?m=1#rc=5&rp=all'
    await step('send', async () => message(await client.messages.create({ to, from, body, statusCallback })))
    await step('again', async () => message(await client.messages.create({ to, from, body: 'b' })))
    await step('third', async () => message(await client.messages.create({ to, from, body: 'c' })))
    await step('list', async () => (await client.messages.list({ to, limit: 3 })).map(message))
    await step('fetch', async () => {
      const [last] = await client.messages.list({ limit: 1 })
      return message(await client.messages(last.sid).fetch())
    })
    await step('balance', async () => {
      const { balance, currency } = await client.balance.fetch()
      return { balance, currency }
    })
    await step('wrong sender', async () => client.messages.create({ to, from: '+15005550000', body }))
    await step('no such message', async () => client.messages('SM' + '0'.repeat(32)).fetch())
    await step('lookup', async () => {
      const found = await client.lookups.v2.phoneNumbers(to).fetch({ fields: 'line_type_intelligence' })
      return { valid: found.valid, type: found.lineTypeIntelligence }
    })
    await step('prices', async () => {
      const { priceUnit, outboundSmsPrices } = await client.pricing.v1.messaging.countries('FR').fetch()
      return { priceUnit, carriers: outboundSmsPrices.length }
    })
    const stranger = new twilio.Twilio(account, token + 'x', { httpClient: new Here(), autoRetry: false })
    await step('wrong token', async () => stranger.messages.create({ to, from, body }))
  }
  run()
}
