"""The ground: tables, row security, the rule of the winning version, and the two roles.

`semantic_fabric_owner` (no login) owns everything; `semantic_fabric_server` (login) serves and owns nothing.
Row security is forced, so that even the owner gets its rows through a policy of its own, never by being the owner.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

OWNER, SERVER = "semantic_fabric_owner", "semantic_fabric_server"

ROLES = [
    f"""do $$ begin create role {OWNER} nologin; exception when duplicate_object then null; end $$""",
    f"""do $$ begin create role {SERVER} login noinherit; exception when duplicate_object then null; end $$""",
    # Up to PostgreSQL 15 every member of a role may set it.
    f"""do $$ begin if not pg_has_role(current_user, '{OWNER}',
            case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end) then
            execute format('grant {OWNER} to %I', current_user); end if; end $$""",
    f"grant usage, create on schema fabric to {OWNER}",
    f"grant usage on schema fabric to {SERVER}",
]

# Under row security only leakproof functions can be index conditions. These are the database's own internal functions
# under names of ours; each gives the same error, or none, whatever its argument holds, because a value's kind is
# checked before it is stored. They need a superuser once; without one, plain SQL stands in and only indexes suffer.
ALIASES = {
    "field(jsonb, text) returns jsonb": ("jsonb_object_field", "select $1 -> $2"),
    "text(jsonb, text) returns text": ("jsonb_object_field_text", "select $1 ->> $2"),
    "int8(jsonb) returns bigint": ("jsonb_int8", "select $1::bigint"),
    "float8(jsonb) returns double precision": ("jsonb_float8", "select $1::double precision"),
    "bool(jsonb) returns boolean": ("jsonb_bool", "select $1::boolean"),
    "lower(text) returns text": ("lower", "select lower($1)"),
}

TABLES = [
    """
    create table fabric.organizations (
        organization_id uuid primary key,
        name text not null constraint organizations_name_key unique,
        secret bytea not null,
        types_revision bigint not null default 0,
        created_at timestamptz not null default now())""",
    """
    create table fabric.compartments (
        organization_id uuid not null,
        ordinal bigint not null,
        name text not null,
        created_at timestamptz not null default now(),
        primary key (organization_id, ordinal),
        constraint compartments_organization_id_name_key unique (organization_id, name),
        check (ordinal between 0 and 59))""",
    """
    create table fabric.type_definitions (
        organization_id uuid not null,
        type_name text not null,
        label bigint not null,
        domain text not null,
        field_schema jsonb not null,
        ui_schema jsonb,
        revision bigint not null,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        primary key (organization_id, type_name, label))""",
    """
    create table fabric.objects (
        organization_id uuid not null,
        object_id uuid not null,
        label bigint not null,
        type_name text not null,
        data jsonb not null,
        revision bigint not null,
        tombstone boolean not null default false,
        derived_from_label bigint,
        derived_from_revision bigint,
        over1 bigint,
        over2 bigint,
        over_rest bigint[],
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        primary key (organization_id, object_id, label))""",
    "create index objects_by_type on fabric.objects (organization_id, type_name, object_id)",
    """
    create table fabric.links (
        organization_id uuid not null,
        link_id uuid not null,
        label bigint not null,
        relation text not null,
        source_id uuid not null,
        target_id uuid not null,
        link_key text,
        weight double precision,
        properties jsonb not null default '{}'::jsonb,
        valid_from timestamptz,
        valid_to timestamptz,
        semantic_namespace text,
        semantic_predicate text,
        revision bigint not null,
        tombstone boolean not null default false,
        derived_from_label bigint,
        derived_from_revision bigint,
        over1 bigint,
        over2 bigint,
        over_rest bigint[],
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        primary key (organization_id, link_id, label))""",
    "create index links_by_source on fabric.links (organization_id, source_id, relation, target_id, link_id)",
    "create index links_by_target on fabric.links (organization_id, target_id, relation, source_id, link_id)",
    "create index links_by_relation on fabric.links (organization_id, relation, link_id)",
    """
    create table fabric.events (
        organization_id uuid not null,
        position bigint generated always as identity,
        transaction_id xid8 not null default pg_current_xact_id(),
        label bigint not null,
        topic text not null,
        entity_table text not null,
        entity_id uuid,
        entity_type text not null,
        actor text not null,
        data jsonb not null default '{}'::jsonb,
        occurred_at timestamptz not null default now(),
        primary key (organization_id, position))""",
    "create index events_in_order on fabric.events (organization_id, transaction_id, position)",
    "create index events_by_entity on fabric.events (organization_id, entity_id, transaction_id, position)",
    """
    create table fabric.embeddings (
        organization_id uuid not null,
        entity_table text not null,
        entity_id uuid not null,
        label bigint not null,
        model text not null,
        content_hash bytea not null,
        embedding vector not null,
        updated_at timestamptz not null default now(),
        primary key (organization_id, entity_table, entity_id, label, model))""",
    """
    create table fabric.encrypted_fields (
        organization_id uuid not null,
        entity_table text not null,
        entity_id uuid not null,
        label bigint not null,
        field_name text not null,
        key_name text not null,
        key_version bigint not null,
        ciphertext text not null,
        updated_at timestamptz not null default now(),
        primary key (organization_id, entity_table, entity_id, label, field_name))""",
    """
    create table fabric.configurations (
        organization_id uuid not null,
        name text not null,
        label bigint not null,
        value jsonb not null,
        revision bigint not null,
        updated_at timestamptz not null default now(),
        primary key (organization_id, name, label))""",
    """
    create table fabric.audit_log (
        organization_id uuid not null,
        audit_id bigint generated always as identity,
        transaction_id xid8 not null default pg_current_xact_id(),
        label bigint not null,
        actor text not null,
        action text not null,
        outcome text not null,
        entity_id uuid,
        reason text,
        request_id text,
        detail jsonb not null default '{}'::jsonb,
        occurred_at timestamptz not null default now(),
        primary key (organization_id, audit_id))""",
    "create index audit_log_by_time on fabric.audit_log (organization_id, occurred_at)",
    """
    create table fabric.api_keys (
        organization_id uuid not null,
        api_key_id uuid not null,
        label bigint not null,
        name text not null,
        secret_hash bytea not null,
        roles text[] not null,
        clearance bigint not null,
        expires_at timestamptz,
        revoked_at timestamptz,
        created_at timestamptz not null default now(),
        primary key (organization_id, api_key_id))""",
]

# The order in which the highest visible version is chosen, as in fabric/labels.py: level, number of compartments,
# their ordinals. A version needs to know only the minimal labels among those that outrank it: who sees a higher one
# sees a minimal one too.
WINNERS = [
    """
    create function fabric.outranks(a bigint, b bigint) returns boolean
    language sql immutable strict parallel safe as $$
        select (a >> 60, bit_count((a & 1152921504606846975)::bit(64)), a & 1152921504606846975)
             > (b >> 60, bit_count((b & 1152921504606846975)::bit(64)), b & 1152921504606846975)
    $$""",
    """
    create function fabric.overriders(labels bigint[], mine bigint) returns bigint[]
    language sql immutable parallel safe as $$
        select array_agg(h order by h) from unnest(labels) h
        where fabric.outranks(h, mine)
          and not exists (select from unnest(labels) o where fabric.outranks(o, mine) and o <> h and o & ~h = 0)
    $$""",
    """
    create function fabric.none_visible(labels bigint[], clearance bigint) returns boolean
    language sql immutable parallel safe as $$
        select not exists (select from unnest(labels) x where (x & ~clearance) = 0)
    $$""",
]


# What reads are compiled to call (see graphql_api): a label in words, a duration that may be negative, and one in
# canonical form, the float nearest to a number (none beyond the floats, where the cast would fail), and the seal of a
# cursor (HMAC-SHA-256 by hand: the database has the hash, not the HMAC).
FORMS = [
    """
    create function fabric.label_text(label bigint, compartments text[]) returns text
    language sql immutable strict parallel safe as $$
        select (array['UNCLASSIFIED', 'CONFIDENTIAL', 'SECRET', 'TOP_SECRET'])[bit_count((label >> 60)::bit(3)) + 1]
            || coalesce('/' || (select string_agg(name, ',' order by name collate "C")
                                from unnest(compartments) with ordinality as c(name, n)
                                where label >> (n - 1)::int & 1 = 1), '')
    $$""",
    """
    create function fabric.duration(value text) returns interval
    language sql immutable strict parallel safe as $$
        select case when starts_with(value, '-') then -(substr(value, 2)::interval)
                    else value::interval end
    $$""",
    """
    create function fabric.time_text(value timestamptz) returns text
    language sql immutable strict parallel safe as $$
        select to_char(value at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    $$""",
    """
    create function fabric.duration_text(seconds numeric) returns text
    language sql immutable strict parallel safe as $$
        select case when seconds = 0 then 'PT0S' else
            case when seconds < 0 then '-' else '' end || 'P'
            || coalesce(nullif(div(abs(seconds), 86400), 0) || 'D', '')
            || coalesce('T' || nullif(concat(
                nullif(div(mod(abs(seconds), 86400), 3600), 0) || 'H',
                nullif(div(mod(abs(seconds), 3600), 60), 0) || 'M',
                nullif(trim_scale(mod(abs(seconds), 60)), 0) || 'S'), ''), '')
            end
    $$""",
    """
    create function fabric.nearest_float(value numeric) returns double precision
    language sql immutable strict parallel safe as $$
        select case when abs(value) >= 1.797693134862315808e308 then null
                    when abs(value) <= 2.4703282292062327e-324 then 0
                    else value::double precision end
    $$""",
    """
    create function fabric.cursor(inner_pad bytea, outer_pad bytea, keys jsonb) returns text
    language sql immutable strict parallel safe as $$
        select replace(encode(substr(sha256(outer_pad || sha256(inner_pad || convert_to(keys::text, 'UTF8'))), 1, 16)
                              || convert_to(keys::text, 'UTF8'), 'base64'), E'\n', '')
    $$""",
]


def create_folding() -> None:
    """The collation by which text is compared without case: Unicode's simple rules, the same on every machine."""
    version = op.get_bind().exec_driver_sql("show server_version_num").scalar()
    provider = "builtin, locale = 'C.UTF-8'" if int(version or 0) >= 170000 else "icu, locale = 'und'"
    op.execute(f"create collation fabric.folding (provider = {provider})")


MANY = 1_000


def keep_winners(table: str, key: str) -> list[str]:
    """Triggers that keep `over1`, `over2`, `over_rest` true, a statement at a time.

    The locks, taken in one order, make two transactions that write versions of one object wait for each other: each
    must see the other's version. They are held for a transaction that is already writing, never while reading. A
    statement on very many objects locks the organization instead: the server's table of locks is limited.
    """
    return [
        f"""
        create function fabric.keep_winning_{table}() returns trigger
        language plpgsql security definer set search_path = fabric, pg_catalog, pg_temp as $$
        begin
            if (select count(*) from (select distinct organization_id, {key} from changed) c) > {MANY} then
                perform pg_advisory_xact_lock(k) from (
                    select distinct hashtextextended('{table}' || organization_id::text, 0) k
                    from changed order by k) locks;
            else
                perform pg_advisory_xact_lock_shared(k) from (
                    select distinct hashtextextended('{table}' || organization_id::text, 0) k
                    from changed order by k) locks;
                perform pg_advisory_xact_lock(k) from (
                    select distinct hashtextextended(organization_id::text || {key}::text, 0) k
                    from changed order by k) locks;
            end if;
            update fabric.{table} v set over1 = n.over[1], over2 = n.over[2], over_rest = nullif(n.over[3:], '{{}}')
            from (select o.organization_id, o.{key}, o.label, fabric.overriders(all_of.labels, o.label) as over
                  from (select t.organization_id, t.{key}, array_agg(t.label) as labels
                        from (select distinct organization_id, {key} from changed) c
                        join fabric.{table} t using (organization_id, {key})
                        group by t.organization_id, t.{key}) all_of
                  join fabric.{table} o using (organization_id, {key})
                  where cardinality(all_of.labels) > 1 or o.over1 is not null) n
            where v.organization_id = n.organization_id and v.{key} = n.{key} and v.label = n.label
              and (v.over1, v.over2, v.over_rest)
                  is distinct from (n.over[1], n.over[2], nullif(n.over[3:], '{{}}'));
            return null;
        end $$""",
        f"""create trigger keep_winning_after_insert after insert on fabric.{table}
            referencing new table as changed for each statement execute function fabric.keep_winning_{table}()""",
        f"""create trigger keep_winning_after_delete after delete on fabric.{table}
            referencing old table as changed for each statement execute function fabric.keep_winning_{table}()""",
    ]


# A token names its organization before there is a session: this is the one door that needs none.
FIND_ORGANIZATION = """
    create function fabric.find_organization(wanted text)
    returns table (organization_id uuid, secret bytea, compartments text[])
    language sql stable security definer set search_path = fabric, pg_catalog, pg_temp as $$
        select o.organization_id, o.secret,
               coalesce(array_agg(c.name order by c.ordinal) filter (where c.name is not null), '{}')
        from fabric.organizations o left join fabric.compartments c using (organization_id)
        where o.name = wanted group by o.organization_id, o.secret
    $$"""

# Whoever writes objects has validated them against the definitions of some revision. It holds that revision until it
# commits; whoever changes definitions waits for the holders, and the next writer learns that it must read them again.
TYPES_REVISION = [
    """
    create function fabric.types_lock(organization uuid) returns bigint
    language sql immutable strict parallel safe as $$ select hashtextextended('types' || organization::text, 0) $$""",
    """
    create function fabric.hold_types(organization uuid, known bigint) returns void
    language plpgsql security definer set search_path = fabric, pg_catalog, pg_temp as $$
    begin
        perform pg_advisory_xact_lock_shared(types_lock(organization));
        if known <> (select types_revision from organizations where organization_id = organization) then
            raise exception using errcode = 'FAB01', message = 'type definitions have changed';
        end if;
    end $$""",
    """
    create function fabric.change_types() returns trigger
    language plpgsql security definer set search_path = fabric, pg_catalog, pg_temp as $$
    declare organization uuid := coalesce(new.organization_id, old.organization_id);
    begin
        update organizations set types_revision = types_revision + 1 where organization_id = organization;
        perform pg_notify('fabric_types', organization::text);
        return null;
    end $$""",
    """create trigger change_types after insert or update or delete on fabric.type_definitions
       for each row execute function fabric.change_types()""",
]

ORGANIZATION = "(select nullif(current_setting('fabric.organization', true), '')::uuid)"
CLEARANCE = "(select nullif(current_setting('fabric.clearance', true), '')::bigint)"
DOMINATED = f"organization_id = {ORGANIZATION} and (label & ~{CLEARANCE}) < 1"
WINNING = f"""{DOMINATED} and (over1 is null or ((over1 & ~{CLEARANCE}) > 0
    and (over2 is null or ((over2 & ~{CLEARANCE}) > 0
    and (over_rest is null or fabric.none_visible(over_rest, {CLEARANCE}))))))"""
EXACT = f"organization_id = {ORGANIZATION} and label = {CLEARANCE}"

VERSION = (
    "organization_id, label, revision, tombstone, derived_from_label, derived_from_revision, created_at, updated_at"
)
OBJECT = f"object_id, type_name, data, {VERSION}"
LINK = f"""link_id, relation, source_id, target_id, link_key, weight, properties, valid_from, valid_to,
    semantic_namespace, semantic_predicate, {VERSION}"""
REVISED = "revision, tombstone, updated_at, derived_from_label, derived_from_revision"

# table: (who reads a row, what the server may do)
LABELLED = {
    "objects": (WINNING, f"select ({OBJECT}), insert ({OBJECT}), update (type_name, data, {REVISED}), delete"),
    "links": (
        WINNING,
        f"""select ({LINK}), insert ({LINK}), delete, update (weight, properties, valid_from, valid_to,
            semantic_namespace, semantic_predicate, {REVISED})""",
    ),
    "type_definitions": (DOMINATED, "select, insert, update, delete"),
    "events": (DOMINATED, "select, insert"),
    "embeddings": (DOMINATED, "select, insert, update, delete"),
    "encrypted_fields": (DOMINATED, "select, insert, update, delete"),
    "configurations": (DOMINATED, "select, insert, update, delete"),
    "audit_log": (DOMINATED, "select, insert"),
    "api_keys": (DOMINATED, "select, insert, update"),
}


def secure(table: str, reads: str, grants: str) -> list[str]:
    """Row security on one labelled table: reads by dominance, writes at exactly the session label."""
    return [
        f"alter table fabric.{table} enable row level security",
        f"alter table fabric.{table} force row level security",
        f"create policy maintain on fabric.{table} to {OWNER} using (true) with check (true)",
        f"create policy read on fabric.{table} for select to {SERVER} using ({reads})",
        f"create policy add on fabric.{table} for insert to {SERVER} with check ({EXACT})",
        f"create policy revise on fabric.{table} for update to {SERVER} using ({EXACT}) with check ({EXACT})",
        f"create policy remove on fabric.{table} for delete to {SERVER} using ({EXACT})",
        f"grant {grants} on fabric.{table} to {SERVER}",
    ]


SECURITY = [statement for table, (reads, grants) in LABELLED.items() for statement in secure(table, reads, grants)] + [
    "alter table fabric.organizations enable row level security",
    "alter table fabric.organizations force row level security",
    f"create policy maintain on fabric.organizations to {OWNER} using (true) with check (true)",
    f"create policy own on fabric.organizations to {SERVER} using (organization_id = {ORGANIZATION})",
    f"grant select on fabric.organizations to {SERVER}",
    "alter table fabric.compartments enable row level security",
    "alter table fabric.compartments force row level security",
    f"create policy maintain on fabric.compartments to {OWNER} using (true) with check (true)",
    f"""create policy held on fabric.compartments to {SERVER} using (
        organization_id = {ORGANIZATION} and ((1::bigint << ordinal::int) & ~{CLEARANCE}) < 1)""",
    f"grant select on fabric.compartments to {SERVER}",
    "revoke all on function fabric.find_organization(text) from public",
    f"grant execute on function fabric.find_organization(text) to {SERVER}",
    "revoke all on function fabric.hold_types(uuid, bigint) from public",
    f"grant execute on function fabric.hold_types(uuid, bigint) to {SERVER}",
]


def create_aliases() -> None:
    superuser = op.get_bind().exec_driver_sql("select rolsuper from pg_roles where rolname = current_user").scalar()
    for signature, (internal, plain) in ALIASES.items():
        op.execute(
            f"create function fabric.{signature} immutable strict parallel safe "
            + (f"language internal leakproof as '{internal}'" if superuser else f"language sql as '{plain}'")
        )


def upgrade() -> None:
    op.execute("create extension if not exists vector")
    for statement in ROLES:
        op.execute(statement)
    create_aliases()
    op.execute(f"set role {OWNER}")
    create_folding()
    winners = keep_winners("objects", "object_id") + keep_winners("links", "link_id")
    for statement in [*TABLES, *WINNERS, *FORMS, *winners, FIND_ORGANIZATION, *TYPES_REVISION, *SECURITY]:
        op.execute(statement)
    op.execute("reset role")
    op.execute(f"grant select on fabric.alembic_version to {SERVER}")


def downgrade() -> None:
    """Takes everything away but the two roles, which other databases of the cluster may use too."""
    for table in [*LABELLED, "organizations", "compartments"]:
        op.execute(f"drop table fabric.{table}")
    op.execute("drop function fabric.keep_winning_objects, fabric.keep_winning_links, fabric.find_organization")
    op.execute("drop function fabric.change_types, fabric.hold_types, fabric.types_lock")
    op.execute("drop function fabric.overriders, fabric.outranks, fabric.none_visible")
    op.execute("drop function fabric.label_text, fabric.duration, fabric.time_text, fabric.cursor")
    op.execute("drop function fabric.duration_text, fabric.nearest_float")
    op.execute("drop collation fabric.folding")
    for signature in ALIASES:
        op.execute(f"drop function fabric.{signature.split(' returns ')[0]}")
    op.execute(f"revoke all on schema fabric from {OWNER}, {SERVER}")
    op.execute(f"revoke all on fabric.alembic_version from {SERVER}")
