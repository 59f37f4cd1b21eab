"""Judges documents that wharf writes by other people's schemas and readers: validate.py DIRECTORY.

The directory holds `sarif`, `cyclonedx`, `cyclonedx-bill`, `spdx`, `junit` and `gitlab`; SARIF_SCHEMA names its schema. Prints what is
wrong, and ends with 1 if anything is.
"""

import json
import os
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

import jsonschema
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

directory = pathlib.Path(sys.argv[1])
faults = []


def text(name):
    return (directory / name).read_text()


def document(name):
    return json.loads(text(name))


def by_schema(name, schema):
    validator = jsonschema.validators.validator_for(schema)(schema, format_checker=jsonschema.FormatChecker())
    for error in validator.iter_errors(document(name)):
        faults.append(f"{name}: {error.json_path}: {error.message[:200]}")


# GitHub's rules beyond the schema: docs.github.com, "SARIF support for code scanning".
def sarif():
    if os.environ.get("SARIF_SCHEMA"):
        by_schema("sarif", json.load(open(os.environ["SARIF_SCHEMA"])))
    for run in document("sarif")["runs"]:
        rules = run["tool"]["driver"]["rules"]
        if not run["automationDetails"]["id"].endswith("/"):
            faults.append("sarif: no category")
        for rule in rules:
            severity = rule["properties"]["security-severity"]
            if not isinstance(severity, str) or not 0 <= float(severity) <= 10:
                faults.append(f"sarif: {rule['id']}: security-severity {severity!r}")
            if "security" not in rule["properties"]["tags"] or len(rule["properties"]["tags"]) > 20:
                faults.append(f"sarif: {rule['id']}: tags")
            if not rule["help"]["markdown"]:
                faults.append(f"sarif: {rule['id']}: no help")
        for result in run["results"]:
            place = result["locations"][0]["physicalLocation"]
            uri = place["artifactLocation"]["uri"]
            if not uri or uri.startswith("/") or "://" in uri or ".." in uri.split("/"):
                faults.append(f"sarif: uri {uri!r}")
            if place["region"]["startLine"] < 1 or not result["partialFingerprints"]:
                faults.append("sarif: line or fingerprint")
            if rules[result["ruleIndex"]]["id"] != result["ruleId"]:
                faults.append("sarif: ruleIndex")


def cyclonedx(name):
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text(name))
    if error:
        faults.append(f"{name}: {error}")


def spdx():
    parsed = JsonLikeDictParser().parse(document("spdx"))
    faults.extend(f"spdx: {message.validation_message}" for message in validate_full_spdx_document(parsed, "SPDX-2.3"))


# The counts are what CI systems add up.
def junit():
    suites = xml.fromstring(text("junit"))
    cases = suites.findall("./testsuite/testcase")
    for name, tag in (("failures", "failure"), ("errors", "error")):
        inside = len(suites.findall(f"./testsuite/testcase/{tag}"))
        if int(suites.get(name)) != inside:
            faults.append(f"junit: {name} is {suites.get(name)} and there are {inside}")
    if int(suites.get("tests")) != len(cases) or not cases:
        faults.append("junit: tests")
    for suite in suites:
        if int(suite.get("tests")) != len(suite):
            faults.append(f"junit: tests of {suite.get('name')}")
    if any(not case.get("name") or not case.get("classname") for case in cases):
        faults.append("junit: a case without a name")


# What GitLab's container scanning schema 15.0.7 asks of a report; no registry carries the schema itself.
def gitlab():
    word = {"type": "string", "minLength": 1}
    time = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"}
    url = {"type": "string", "pattern": "^(https?|ftp)://.+"}
    tool = {
        "required": ["id", "name", "version", "vendor"],
        "properties": {"id": word, "name": word, "version": word, "vendor": {"required": ["name"]}},
    }
    identifier = {"required": ["type", "name", "value"], "properties": {"type": word, "name": word, "value": word, "url": url}}
    place = {
        "required": ["dependency", "operating_system", "image"],
        "properties": {
            "dependency": {
                "required": ["package", "version"],
                "properties": {"package": {"required": ["name"], "properties": {"name": word}}, "version": word},
            },
            "operating_system": word | {"maxLength": 255},
            "image": word | {"pattern": r"^[^:]+(:\d+[^:]*)?:[^:]+(:[^:]+)?$"},
        },
    }
    vulnerability = {
        "required": ["id", "identifiers", "location"],
        "properties": {
            "id": word,
            "name": {"type": "string", "maxLength": 255},
            "description": {"type": "string", "maxLength": 1048576},
            "severity": {"enum": ["Info", "Unknown", "Low", "Medium", "High", "Critical"]},
            "solution": {"type": "string", "maxLength": 7000},
            "identifiers": {"type": "array", "minItems": 1, "maxItems": 20, "items": identifier},
            "links": {"type": "array", "items": {"required": ["url"], "properties": {"url": url}}},
            "location": place,
        },
    }
    scan = {
        "required": ["analyzer", "end_time", "scanner", "start_time", "status", "type"],
        "properties": {
            "analyzer": tool,
            "scanner": tool,
            "start_time": time,
            "end_time": time,
            "status": {"enum": ["success", "failure"]},
            "type": {"const": "container_scanning"},
        },
    }
    by_schema(
        "gitlab",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "required": ["scan", "version", "vulnerabilities"],
            "properties": {
                "version": {"type": "string", "pattern": r"^15\.[0-9]+\.[0-9]+$"},
                "scan": scan,
                "vulnerabilities": {"type": "array", "items": vulnerability},
            },
        },
    )


sarif()
cyclonedx("cyclonedx")
cyclonedx("cyclonedx-bill")
spdx()
junit()
gitlab()
print("\n".join(faults))
sys.exit(bool(faults))
