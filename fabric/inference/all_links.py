"""Links as readers list them: those that were written, and those that follow from them.

To be read in place of `fabric.links`; row security holds each part by itself. Of an inferred link the revision is 0,
and the times are those of no moment: when it was concluded would tell of what lies above the reader.
"""

_SAME = "organization_id, link_id, {label} as label, relation, source_id, target_id, valid_from, valid_to"

_WRITTEN = f"""
    select {_SAME.format(label="label")}, link_key, weight, properties, semantic_namespace, semantic_predicate,
           revision, tombstone, created_at, updated_at
    from fabric.links"""

_INFERRED = f"""
    select {_SAME.format(label="shown_label")}, null::text as link_key, null::double precision as weight,
           '{{}}'::jsonb as properties, null::text as semantic_namespace, null::text as semantic_predicate,
           0::bigint as revision, false as tombstone, 'epoch'::timestamptz as created_at,
           'epoch'::timestamptz as updated_at
    from fabric.inferred_links"""

INFERRED = f"({_INFERRED})"
"""Those alone that follow from others."""

ALL_LINKS = f"({_WRITTEN}\n    union all{_INFERRED})"
