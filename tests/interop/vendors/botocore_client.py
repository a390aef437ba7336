"""AWS's own library before an address: what it makes of each call, one JSON line each."""

import json
import sys

try:
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import ClientError
except ImportError:
    sys.exit(3)

url, region, key_id, secret, session, number, topic_list = sys.argv[1:8]


def client(**keys):
    return botocore.session.Session().create_client(
        "pinpoint-sms-voice-v2",
        region_name=region,
        endpoint_url=url,
        config=Config(retries={"max_attempts": 0}, parameter_validation=True),
        **keys,
    )


def tell(step, call, **arguments):
    try:
        answer = call(**arguments)
        answer.pop("ResponseMetadata", None)
        line = {"step": step, "answer": answer}
    except ClientError as error:
        line = {
            "step": step,
            "code": error.response["Error"]["Code"],
            "reason": error.response.get("Reason"),
            "status": error.response["ResponseMetadata"]["HTTPStatusCode"],
        }
    print(json.dumps(line, default=str), flush=True)


right = client(aws_access_key_id=key_id, aws_secret_access_key=secret, aws_session_token=session)
text = {"DestinationPhoneNumber": number, "MessageBody": "Grüße 👍", "MessageType": "TRANSACTIONAL"}
tell("send", right.send_text_message, **text, Context={"m": "msg_1"}, MaxPrice="0.05")
tell("dry", right.send_text_message, **text, DryRun=True)
tell("dear", right.send_text_message, **text, MaxPrice="0.001")
tell("put", right.put_opted_out_number, OptOutListName=topic_list, OptedOutNumber=number)
tell("opted out", right.send_text_message, **text)
tell("listed", right.describe_opted_out_numbers, OptOutListName=topic_list, MaxResults=1)
tell("delete", right.delete_opted_out_number, OptOutListName=topic_list, OptedOutNumber=number)
tell("gone", right.delete_opted_out_number, OptOutListName=topic_list, OptedOutNumber=number)
tell("lookup", right.carrier_lookup, PhoneNumber=number)
tell("limits", right.describe_spend_limits)
wrong = client(aws_access_key_id=key_id, aws_secret_access_key=secret + "x", aws_session_token=session)
tell("wrong secret", wrong.send_text_message, **text)
alone = client(aws_access_key_id=key_id, aws_secret_access_key=secret)
tell("no session", alone.send_text_message, **text)
