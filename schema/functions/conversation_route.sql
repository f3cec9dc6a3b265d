create or replace function gnatter.conversation_route(name text) returns int
language sql immutable parallel safe
as $$ select get_byte(h, 0) * 256 + get_byte(h, 1) from sha256(decode(name, 'escape')) as h $$;
comment on function gnatter.conversation_route(text) is
    'which of 65,536 routes a conversation belongs to: the first two bytes, big-endian, of SHA-256 of its server '
    'name. Internal';
