with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to('{"sites":{"__typename":"SiteConnection","pageInfo":{"__typename":"PageInfo","hasPreviousPage":false}}}', 'UTF8')) r(v)
