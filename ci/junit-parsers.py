"""What junitparser, and GitLab by its rules, read from the JUnit report of fixtures/reports/every-outcome.json."""

import re
import sys
import xml.etree.ElementTree as xml

import junitparser

path = sys.argv[1]


def must(what, seen, wanted):
    if seen != wanted:
        sys.exit(f"junit-parsers: {what}: read {seen!r}, wanted {wanted!r}")


report = junitparser.JUnitXml.fromfile(path)
cases = [case for suite in report for case in suite]
results = {case.name.split(" (")[0]: [type(one).__name__ for one in case.result] for case in cases}
must("junitparser: tests, failures, errors, skipped", (report.tests, report.failures, report.errors, report.skipped), (11, 3, 1, 5))
must("junitparser: a failure", results["ACC-002 A refusal that is failed"], ["Failure"])
must("junitparser: flaky is a failure", results["ACC-003 A refusal that is flaky"], ["Failure"])
must("junitparser: not verified is no pass", results["ACC-006 A refusal that is not verified"], ["Skipped"])
must("junitparser: an error", results["ACC-008 A refusal that is error"], ["Error"])
must("junitparser: a pass", results["ACC-001 A refusal that is passed"], [])
failure = next(case for case in cases if case.name.startswith("ACC-002")).result[0]
must("junitparser: the reason", failure.message, 'expected status 403 with <code> "ACCESS_DENIED" & no body, saw status 200 ]]> ')

# GitLab shows classname, name, file and time, takes the reason from the element's text, and drops a second case of one name.
seen = set()
for case in xml.parse(path).iter("testcase"):
    key = (case.get("classname"), case.get("name"))
    must(f"GitLab: {key} once", key in seen, False)
    # A name that holds a line is another test as soon as a line is added above it.
    must(f"GitLab: no line in {key}", re.search(r"\bline [0-9]|:[0-9]", key[1]), None)
    seen.add(key)
    # Generated checks that found nothing stand in no file.
    must(f"GitLab: a file for {key}", bool(case.get("file")), key[0] != "generated" or len(case) > 0)
    must(f"GitLab: a time for {key}", float(case.get("time")) >= 0, True)
    for result in case:
        must(f"GitLab: a reason in {key}", bool((result.text or "").strip()) and bool(result.get("message")), True)
must("GitLab: cases", len(seen), 11)
print("junitparser, GitLab's rules: read as meant")
