// An SMSC made of npm `smpp`, for the test of our client before somebody else's peer. It takes every bind and every
// submit_sm, tells a receipt for each, and answers a text that is "MO" with a message of a person. On standard output: the
// port first, then a JSON line for each thing that came. It leaves with 3 where the package is not installed, and ends
// with its standard input.
'use strict';
let smpp;
try {
  smpp = require('smpp');
} catch {
  process.exit(3);
}
const tell = (line) => process.stdout.write(JSON.stringify(line) + '\n');
let next = 500;

const server = smpp.createServer((session) => {
  session.on('error', (error) => tell({ kind: 'error', why: error.message }));
  for (const how of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(how, (pdu) => {
      const isKnown = pdu.system_id === 'acme-esme' && pdu.password === 'pw-4711x';
      tell({ kind: how, known: isKnown, version: pdu.interface_version });
      session.send(pdu.response({ command_status: isKnown ? 0 : smpp.ESME_RINVPASWD }));
    });
  }
  session.on('unbind', (pdu) => {
    tell({ kind: 'unbind' });
    session.send(pdu.response());
    session.close();
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('submit_sm', (pdu) => {
    next += 1;
    const id = String(next);
    const content = pdu.short_message || {};
    const text = String(content.message ?? '');
    tell({
      kind: 'submit_sm', id, to: pdu.destination_addr, from: pdu.source_addr, text, coding: pdu.data_coding, esm: pdu.esm_class,
      ton: pdu.dest_addr_ton, npi: pdu.dest_addr_npi, receipt: pdu.registered_delivery,
      header: (content.udh || []).map((element) => element.toString('hex')),
    });
    session.send(pdu.response({ message_id: id }));
    const back = { source_addr_ton: 1, source_addr_npi: 1, source_addr: pdu.destination_addr, destination_addr: pdu.source_addr };
    const thanks = (kind) => (answer) => tell({ kind, status: answer.command_status });
    if (pdu.registered_delivery & 1) {
      const receipt = `id:${id} sub:001 dlvrd:001 submit date:2611220930 done date:2611220931 stat:DELIVRD err:000 text:`;
      session.deliver_sm({ ...back, esm_class: 4, receipted_message_id: id, message_state: 2, short_message: Buffer.from(receipt) }, thanks('receipt thanked'));
    }
    if (text === 'MO') {
      session.deliver_sm({ ...back, esm_class: 0, short_message: 'Merhaba, çok güzel 🙂' }, thanks('reply thanked'));
    }
  });
});
server.listen(0, '127.0.0.1', () => tell({ kind: 'listening', port: server.address().port }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
