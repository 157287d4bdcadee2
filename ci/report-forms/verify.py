"""Whether a signed in-toto statement holds, as the libraries of their authors read it: envelope and signature by securesystemslib, statement and predicate by in-toto-attestation.

python verify.py ENVELOPE PUBLIC_KEY RESULT REPORT
"""

import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

envelope_path, key_path, result, report_path = sys.argv[1:]


def must(what, seen, wanted):
    if seen != wanted:
        sys.exit(f"report-forms: {envelope_path}: {what}: read {seen!r}, wanted {wanted!r}")


def read(path):
    with open(path, "rb") as file:
        return file.read()


public = load_pem_public_key(read(key_path))
key_id = hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
key = SSlibKey.from_crypto(public, keyid=key_id)


def accepted(data):
    try:
        return set(Envelope.from_dict(json.loads(json.dumps(data))).verify([key], 1)) == {key_id}
    except VerificationError:
        return False


data = json.loads(read(envelope_path))
must("signed by the key", accepted(data), True)
payload = base64.b64decode(data["payload"])
forged = {**data, "payload": base64.b64encode(payload.replace(b'"FAILED"', b'"PASSED"') + b" ").decode()}
must("a forged payload is signed", accepted(forged), False)

# Predicates are held as they are: what is not of the type is an extension.
statement = Statement.copy_from_pb(json_format.Parse(payload, statement_pb2.Statement()))
statement.validate()
must("predicate type", statement.pb.predicate_type, "https://in-toto.io/attestation/test-result/v0.1")
predicate = json.loads(payload)["predicate"]
told = json_format.ParseDict(predicate, test_result_pb2.TestResult(), ignore_unknown_fields=True)
must("result", told.result, result)
digests = {one.digest["sha256"] for one in statement.pb.subject}
must("about the report", hashlib.sha256(read(report_path)).hexdigest() in digests, True)
lists = [set(told.passed_tests), set(told.warned_tests), set(told.failed_tests)]
must("each test in one list", sum(map(len, lists)), len(set.union(*lists)))
must("no test that was not verified", any(predicate["moltproof"]["criteria"][one]["verdict"] == "not_verified" for one in set.union(*lists)), False)
print(f"in-toto: {told.result}, {[len(one) for one in lists]} tests passed, warned, failed; signature and statement hold")
