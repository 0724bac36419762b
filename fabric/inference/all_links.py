"""Links as readers list them: those that were written, and those that follow from them.

To be read in place of `fabric.links`; row security holds each part by itself. Of an inferred link the revision is 0,
and the times are those of no moment: when it was concluded would tell of what lies above the reader.
"""

_SAME = "organization_id, link_id, {label} as label, relation, source_id, target_id, valid_from, valid_to"

ALL_LINKS = f"""(
    select {_SAME.format(label="label")}, link_key, weight, properties, semantic_namespace, semantic_predicate,
           revision, tombstone, created_at, updated_at
    from fabric.links
    union all
    select {_SAME.format(label="shown_label")}, null::text, null::double precision, '{{}}'::jsonb, null::text,
           null::text, 0::bigint, false, 'epoch'::timestamptz, 'epoch'::timestamptz
    from fabric.inferred_links)"""
