with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipmentList":{"totalCount":',
(select count(*) from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump') and ($3::boolean and (((o1.data ? 'inspected#b')) is not true) or (($4::boolean) is not true) and (((((o1.data ? 'inspected#b')) is not true)) is not true))), '}}'), 'UTF8')) r(v)
-- $3: True
-- $4: True
