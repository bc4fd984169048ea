"""`/api/openapi.json`, and whether an answer is one that it describes: nothing more, nothing else."""

import json

from jsonschema import Draft202012Validator, FormatChecker

METHODS = ("get", "put", "post", "delete", "patch")
# Headers that mean something in this API; others (`content-length` and the like) are HTTP's.
HEADERS = ("location", "settings-version", "retry-after", "www-authenticate", "idempotent-replayed")


class Description:
    def __init__(self, document):
        self.document = document

    def calls(self):
        """`GET /api/v1/…` of every call."""
        paths = self.document["paths"].items()
        return {f"{method.upper()} {path}" for path, item in paths for method in item if method in METHODS}

    def operation(self, call):
        method, path = call.split(" ")
        return self.document["paths"][path][method.lower()]

    def check(self, call, answer):
        responses = self.operation(call)["responses"]
        assert str(answer.status) in responses, f"{call}: {answer.status} is not described\n{answer.body}"
        response = responses[str(answer.status)]
        described = {name.lower() for name in response.get("headers", {})}
        for name in HEADERS:
            assert name not in answer.headers or name in described, f"{call}: the header {name} of {answer.status} is not described"
        content = response.get("content", {})
        if not content:
            assert not answer.body, f"{call}: {answer.status} has a body that is not described"
            return
        kind = answer.headers["content-type"].split(";")[0]
        assert kind in content, f"{call}: {kind} is not described for {answer.status}"
        if kind.endswith("json"):
            schema = self.closed(content[kind]["schema"])
            faults = list(Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(json.loads(answer.body)))
            assert not faults, f"{call}: {[fault.message for fault in faults]}\n{answer.body.decode()}"

    def closed(self, schema, is_part=False):
        """The schema without references; a member that is not described is a fault."""
        if isinstance(schema, list):
            return [self.closed(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            target = self.document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            return self.closed(target, is_part)
        closed = {}
        for key, value in schema.items():
            if key == "allOf":
                closed[key] = [self.closed(part, True) for part in value]
            elif key == "properties":
                closed[key] = {name: self.closed(each) for name, each in value.items()}
            else:
                closed[key] = self.closed(value)
        if not is_part and ("properties" in closed or "allOf" in closed):
            closed["unevaluatedProperties"] = False
        return closed
