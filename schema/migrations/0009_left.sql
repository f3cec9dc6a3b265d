-- It comes back with another parameter: what came before she joined is not told either.
drop function if exists gnatter.conversation_notes(bigint, bigint, bigint);
-- This one comes back with another column: when an item was edited.
drop function if exists gnatter.log_page(bigint[], bigint[], int[], int[], bigint[]);
comment on table gnatter.request is
    'direct conversations that a stranger began and that wait to be accepted, also behind a block';
