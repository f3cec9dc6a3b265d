create or replace function gnatter.conversation_view(name text, self text) returns text
language sql immutable parallel safe
as $$
    select case when name like 'g/%' then name
                when split_part(name, '/', 2) = self then 'u/' || split_part(name, '/', 3)
                else 'u/' || split_part(name, '/', 2) end
$$;
comment on function gnatter.conversation_view(text, text) is
    'how a user calls a conversation: u/<user> or g/<group>. Internal';
