"""Versions of objects and links as JSON, made by PostgreSQL: as events keep them, and as they are told.

What is null is left out, and so is `tombstone` where there is none. `{v}` is the row.
"""

OBJECT = """jsonb_strip_nulls(jsonb_build_object(
    'type_name', {v}.type_name, 'revision', {v}.revision, 'tombstone', nullif({v}.tombstone, false),
    'created_at', {v}.created_at, 'updated_at', {v}.updated_at)) || jsonb_build_object('data', {v}.data)"""

LINK = """jsonb_strip_nulls(jsonb_build_object(
    'relation', {v}.relation, 'source_id', {v}.source_id, 'target_id', {v}.target_id, 'link_key', {v}.link_key,
    'weight', {v}.weight, 'valid_from', {v}.valid_from, 'valid_to', {v}.valid_to,
    'semantic_namespace', {v}.semantic_namespace, 'semantic_predicate', {v}.semantic_predicate,
    'revision', {v}.revision, 'tombstone', nullif({v}.tombstone, false),
    'created_at', {v}.created_at, 'updated_at', {v}.updated_at)) || jsonb_build_object('properties', {v}.properties)"""
