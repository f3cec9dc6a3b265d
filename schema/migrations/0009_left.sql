-- It comes back with another parameter: what came before she joined is not told either.
drop function if exists gnatter.conversation_notes(bigint, bigint, bigint);
comment on table gnatter.request is
    'direct conversations that a stranger began and that wait to be accepted, also behind a block';
