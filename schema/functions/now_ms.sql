create or replace function gnatter.now_ms() returns bigint
language sql volatile parallel safe
as $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint $$;
comment on function gnatter.now_ms() is 'the clock in Unix milliseconds; moves within a transaction';
