"""Judges a run of the Autobahn TestSuite, which itself ends with 0 whatever happened: judge.py OUTDIR

Every case must have run, and must be OK in what was exchanged and in how it closed. INFORMATIONAL
counts as that only in the cases whose outcome the suite leaves open. Anything else, NON-STRICT too,
is a failure, unless exceptions.json has that very outcome for the case, with the reason.
"""

import collections
import json
import os
import pathlib
import sys

# How many cases each category of autobahntestsuite 0.8.2 has, less 12 and 13, permessage-deflate's.
CASES = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1}

# Those: all of them, or for four sizes of messages out of eighteen.
SIZES = 18 if os.environ.get("AUTOBAHN_DEFLATE") == "all" else 4
DEFLATE = {"12": 5 * SIZES, "13": 7 * SIZES}

# The suite's client speaks version 8 too. Category 9, its large messages, is run once.
AGENTS = {
    "RFC 6455": CASES | DEFLATE,
    "version 8": {category: count for category, count in CASES.items() if category != "9"},
}

# A close sent right behind a large message, and close codes that nothing defines.
OUTCOME_OPEN = {"7.1.6", "7.13.1", "7.13.2"}


def main(outdir):
    results = json.loads((outdir / "index.json").read_text())
    exceptions = json.loads((pathlib.Path(__file__).parent / "exceptions.json").read_text())
    failures = [f"{agent}: not asked for" for agent in results.keys() - AGENTS.keys()]
    passed = 0

    for agent, categories in AGENTS.items():
        cases = results.get(agent, {})
        failures += counted(agent, categories, cases)
        for case, result in cases.items():
            if complaint := judged(case, result, exceptions.get(agent, {}).get(case)):
                failures.append(f"{agent}, {case}: {complaint}, see {outdir / result['reportfile']}")
            else:
                passed += 1
        for what in ["behavior", "behaviorClose"]:
            counts = collections.Counter(result[what] for result in cases.values())
            print(f"{agent}, {what}: " + ", ".join(f"{n} {name}" for name, n in counts.most_common()))

    for failure in failures:
        print(f"FAIL  {failure}")
    print(f"{passed} passed, {len(failures)} failed")
    sys.exit(1 if failures or not passed else 0)


def counted(agent, categories, cases):
    """What is wrong with the number of cases that ran, by category."""
    ran = collections.Counter(case.split(".")[0] for case in cases)
    print(f"{agent}: {len(cases)} of {sum(categories.values())} cases ran")
    for category in sorted(ran.keys() | categories.keys(), key=int):
        expected = categories.get(category, 0)
        if ran[category] != expected:
            yield f"{agent}, category {category}: {ran[category]} cases ran instead of {expected}"


def judged(case, result, exception):
    """What is wrong with one case, or None."""
    seen = (result["behavior"], result["behaviorClose"])
    shown = f"{seen[0]}, close {seen[1]}"
    if exception:
        listed = (exception["behavior"], exception["behaviorClose"])
        # Also when it has become better: then it must leave the list.
        return None if seen == listed else f"{shown}: not as exceptions.json has it"
    allowed = {"OK", "INFORMATIONAL"} if case in OUTCOME_OPEN else {"OK"}
    return None if set(seen) <= allowed else shown


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
