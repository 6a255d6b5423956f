# SPDX-License-Identifier: BSD-3-Clause
"""The schema of tuning tables against table_cases.txt and the tables of the project: table_schema.py SOURCE_DIR"""
import glob
import json
import os
import sys

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is not there")
    sys.exit(77)

source = sys.argv[1]


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError("duplicate key")
    return dict(pairs)


def not_a_number(word):
    raise ValueError(word)


def load(text):
    return json.loads(text, object_pairs_hook=no_duplicates, parse_constant=not_a_number)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


schema = load(read(os.path.join(source, "tune/schema/vcoll-table-1.schema.json")))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)


def refusal(text):
    """Why the text is no table, or None."""
    try:
        validator.validate(load(text))
    except (ValueError, RecursionError) as error:
        return "syntax: %s" % error
    except jsonschema.ValidationError as error:
        return error.message
    return None


failures = 0
count = {"good": 0, "bad": 0, "loader": 0}
cases = read(os.path.join(source, "tests/unit/table_cases.txt")).split("\n#### ")[1:]
for case in cases:
    title, _, text = case.partition("\n")
    kind = title.split()[0]
    if kind != "good":
        text = text.partition("\n")[2]
    why = refusal(text)
    count[kind] += 1
    if (why is None) != (kind != "bad"):
        print("%s: %s" % (title, why or "the schema takes it"))
        failures += 1
for path in [os.path.join(source, "tune/builtin.json")] + glob.glob(os.path.join(source, "tune/tables/*.json")):
    why = refusal(read(path))
    if why:
        print("%s: %s" % (path, why))
        failures += 1
print(count)
if min(count.values()) < 5:
    print("cases are missing")
    failures += 1
sys.exit(failures != 0)
