"""PyPI telnyx, the vendor's own library. `verify KEY` says of each [body, headers] of standard input (a JSON list) whether it
believes it; `client URL KEY FROM TO PROFILE` says what its client makes of what stands at an address. One JSON line each."""

import json
import sys

try:
    import telnyx
except ImportError:
    sys.exit(3)


def tell(line):
    print(json.dumps(line, default=str), flush=True)


if sys.argv[1] == "verify":
    client = telnyx.Telnyx(api_key="none", public_key=sys.argv[2])
    for body, headers in json.load(sys.stdin):
        try:
            client.webhooks.unwrap(body, headers=headers)
            tell({"believed": True})
        except Exception as error:  # Whatever it raises, it does not believe it.
            tell({"believed": False, "why": type(error).__name__ + ": " + str(error)})
    sys.exit()

url, key, sender, number, profile = sys.argv[2:7]
client = telnyx.Telnyx(api_key=key, base_url=url, max_retries=0)


def step(name, call):
    try:
        tell({"step": name, "answer": call()})
    except telnyx.APIStatusError as error:
        tell({"step": name, "status": error.status_code})


def send(text, reference, who=client, from_=sender):
    answer = who.messages.send(to=number, from_=from_, text=text, extra_headers={"Idempotency-Key": reference})
    return {"id": answer.data.id, "status": answer.data.to[0].status, "parts": answer.data.parts}


def retrieve(message):
    data = client.messages.retrieve(message).data
    return {"id": data.id, "status": data.to[0].status}


first = send("Grüße 👍", "msg_1")
tell({"step": "send", "answer": first})
step("same key", lambda: send("Grüße 👍", "msg_1"))
step("other body", lambda: send("other", "msg_1"))
step("retrieve", lambda: retrieve(first["id"]))
step("balance", lambda: {k: getattr(client.balance.retrieve().data, k) for k in ("balance", "currency")})
step("lookup", lambda: client.number_lookup.retrieve(number, type="carrier").data.carrier.type)
step("wrong sender", lambda: send("a", "msg_2", from_="+15005550000"))
step("no such message", lambda: retrieve("0"))
stranger = telnyx.Telnyx(api_key="KEY-other", base_url=url, max_retries=0)
step("wrong key", lambda: send("a", "msg_3", who=stranger))
