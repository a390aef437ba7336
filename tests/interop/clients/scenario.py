"""What every Python client does with the server. Each step writes one line of JSON; the test that runs this reads them.

A client library is wrapped in a class with `tools`, `call`, `resources` and `read`. No time limit of a library is changed:
a call that hangs hangs here too, and the test says so.
"""

import json
import os
import sys

PEOPLE = [f"+3319900{n:04}" for n in range(100, 112)]


def say(step, **what):
    print(json.dumps({"step": step, **what}), flush=True)


def bulk(key):
    return {
        "recipients": [{"to": to, "data": [{"name": "n", "value": str(n)}]} for n, to in enumerate(PEOPLE)],
        "message": "To all, number {{n}}",
        "idempotency_key": key,
    }


async def everything(client):
    """One agent's day."""
    say("list", tools=sorted(await client.tools()))
    quote, _ = await client.call("send_sms", {"to": "+33199000001", "message": "Hello", "dry_run": True})
    say("quote", status=quote["status"], price=quote["price"])
    keyed = {"to": "+33199000001", "message": "Hello", "idempotency_key": "one"}
    first, _ = await client.call("send_sms", keyed)
    again, _ = await client.call("send_sms", keyed)
    say("send", status=first["status"], same=first["id"] == again["id"], replayed=[first["replayed"], again["replayed"]])
    refused, is_error = await client.call("send_sms", {"to": "12", "message": "Hello"})
    say("refusal", is_error=is_error, code=refused["code"])
    steps = []
    done, _ = await client.call("send_bulk", bulk("bulk"), steps.append)
    say("bulk", status=done["status"], accepted=done["accepted"], steps=steps)
    status, _ = await client.call("get_status", {"id": done["batch"]})
    say("status", recipients=sum(status["bulk"]["counts"].values()))
    listed, _ = await client.call("list_sms", {"limit": 5})
    say("messages", count=len(listed["messages"]))
    uris = await client.resources()
    shown = json.loads(await client.read(f"sms://messages/{first['id']}"))
    say("resource", listed=len(uris), same=shown["message"]["id"] == first["id"])


async def midway(client):
    """A send that is in flight when this process is killed; and the same again, by the next process."""
    say("midway")
    answer, _ = await client.call("send_sms", {"to": "+33199000002", "message": "Midway", "idempotency_key": "midway"})
    say("sent", status=answer.get("status"), code=answer.get("code"))


async def cut(client):
    """A call whose stream is cut after its first event: its answer, or an error and then the answer under the same key."""
    try:
        done, is_error = await client.call("send_bulk", bulk("cut"), lambda step: None)
        say("cut", got="refusal" if is_error else "answer", accepted=done.get("accepted"))
        return True
    except Exception as error:  # noqa: BLE001: whatever the library makes of it
        say("cut", got="error", error=f"{type(error).__name__}: {error}"[:200])
        return False


async def after_cut(client):
    done, _ = await client.call("send_bulk", bulk("cut"))
    say("after cut", accepted=done.get("accepted"), replayed=done.get("replayed"))


async def run(connect):
    """`connect` makes a connected client, as a context manager, of a URL or of a command."""
    mode, target = sys.argv[1], sys.argv[2:]
    what = {"everything": everything, "midway": midway}.get(mode)
    if what:
        async with connect(target) as client:
            await what(client)
        return
    try:
        async with connect(target) as client:
            await cut(client)
    except BaseException as error:  # noqa: BLE001: some libraries tell it when the connection is left
        say("left", error=f"{type(error).__name__}: {error}"[:200])
    async with connect(target) as client:
        await after_cut(client)


def text_of(result):
    """The JSON of a result's first text, for answers and refusals alike."""
    return json.loads(result.content[0].text)


def environment():
    """What a server process gets: everything, for the test's own settings stand in it."""
    return dict(os.environ)
