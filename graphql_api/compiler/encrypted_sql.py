"""The SQL of what can be seen of an encrypted field: that it has a value, and the hint stored with the ciphertext."""

import json

from fabric.encryption.hints import stored_prefix
from fabric.encryption.protection import Hint, Protection
from fabric.types.access import has, literal
from graphql_api.compiler import plan as p
from graphql_api.compiler.json_text import JsonText, Value, json_object


def encrypted(output: p.Encrypted, o: str) -> JsonText:
    """The field's JSON, of the object with this alias: the winning version, at whose label the ciphertext lies."""
    protection = output.field.protection
    assert protection is not None
    members = json_object((key, _member(name, protection, output.field.key, o)) for key, name in output.members)
    return JsonText(Value(f"(case when {has(output.field, o)} then {members.sql()} else 'null' end)"))


def _member(name: str, protection: Protection, key: str, o: str) -> JsonText:
    match name:
        case "__typename":
            return JsonText('"EncryptedField"')
        case "locked":
            return JsonText("true")
        case "purpose":
            return JsonText(json.dumps(protection.purpose))
        case "unlockPermission":
            return JsonText(json.dumps(protection.unlock.permission))
        case _:
            return _hint(protection.hint, key, o)


def _hint(hint: Hint, key: str, o: str) -> JsonText:
    if hint is Hint.NONE:
        return JsonText("null")
    prefix = stored_prefix(hint)
    found = (
        f"select fabric.quoted(substr(e.hint, {len(prefix) + 1})) from fabric.encrypted_fields e"
        f" where e.organization_id = s.org and e.entity_table = 'objects' and e.entity_id = {o}.object_id"
        f" and e.label = {o}.label and e.field_name = {literal(key)} and starts_with(e.hint, {literal(prefix)})"
    )
    return JsonText(Value(f"coalesce(({found}), 'null')"))
