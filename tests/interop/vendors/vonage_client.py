"""PyPI vonage, the vendor's own library. `sign METHOD SECRET` signs the fields of each object of standard input (a JSON list);
`token` says of each [token, secret] whether it believes it, and `make SECRET` makes a token of each list of claims with the
library that it checks them by; `client ADDRESS KEY SECRET FROM TO APPLICATION PEM` says what its client makes of what stands at
an address. One JSON line each."""

import json
import sys

try:
    import jwt
    from vonage import Auth, HttpClientOptions, Vonage
    from vonage_account import GetCountryPricingRequest
    from vonage_http_client.errors import HttpRequestError
    from vonage_jwt import VonageVerifyJwtError, verify_signature
    from vonage_messages import Sms
    from vonage_number_insight import BasicInsightRequest
    from vonage_sms import SmsMessage
    from vonage_sms.errors import PartialFailureError, SmsError
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(3)

from requests.adapters import HTTPAdapter


def tell(line):
    print(json.dumps(line, default=str), flush=True)


def believes(token, secret):
    try:
        return verify_signature(token, secret)
    except VonageVerifyJwtError:
        return False


if sys.argv[1] == "sign":
    method, secret = sys.argv[2:4]
    auth = Auth(api_key="none", signature_secret=secret, signature_method=method)
    for fields in json.load(sys.stdin):
        signature = auth.sign_params(dict(fields))
        tell({"sig": signature, "believed": auth.check_signature({**fields, "sig": signature})})
    sys.exit()
if sys.argv[1] == "make":
    for claims in json.load(sys.stdin):
        tell({"token": jwt.encode(claims, sys.argv[2], algorithm="HS256")})
    sys.exit()
if sys.argv[1] == "token":
    for token, secret in json.load(sys.stdin):
        tell({"believed": believes(token, secret)})
    sys.exit()

address, key, secret, sender, number, application, pem = sys.argv[2:9]


class Plain(HTTPAdapter):
    """It knows https alone; what stands at the address does not."""

    def send(self, request, **more):
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, **more)


def client(auth):
    made = Vonage(auth, HttpClientOptions(api_host=address, rest_host=address, max_retries=0))
    made.http_client._session.mount("https://", Plain())
    return made


account = client(Auth(api_key=key, api_secret=secret))


def step(name, call):
    try:
        tell({"step": name, "answer": call()})
    except (SmsError, PartialFailureError) as error:
        tell({"step": name, "refused": str(error)})
    except HttpRequestError as error:
        tell({"step": name, "status": error.response.status_code})


def send(text, reference, who=account, from_=sender, kind="unicode"):
    message = SmsMessage(to=number, from_=from_, text=text, client_ref=reference, type=kind)
    return who.sms.send(message).model_dump(by_alias=True)


def message(who, reference):
    return who.messages.send(Sms(to=number, from_=sender, text="a", client_ref=reference)).message_uuid


step("send", lambda: send("Grüße 👍", "msg_1"))
step("segments", lambda: send("👍" * 60, "msg_2"))
step("wrong sender", lambda: send("a", "msg_3", from_="15005550000", kind="text"))
step("wrong secret", lambda: send("a", "msg_4", who=client(Auth(api_key=key, api_secret="other")), kind="text"))
step("message", lambda: message(account, "msg_5"))
step("application", lambda: message(client(Auth(application_id=application, private_key=pem)), "msg_6"))
step("balance", lambda: account.account.get_balance().value)
pricing = GetCountryPricingRequest(type="sms", country_code="FR")
step("prices", lambda: account.account.get_country_pricing(pricing).default_price)
step("insight", lambda: account.number_insight.get_basic_info(BasicInsightRequest(number=number)).country_code)
