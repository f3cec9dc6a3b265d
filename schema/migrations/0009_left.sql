-- It comes back with another parameter: what came before she joined is not told either.
drop function if exists gnatter.conversation_notes(bigint, bigint, bigint);
-- This one comes back with another column: when an item was edited.
drop function if exists gnatter.log_page(bigint[], bigint[], int[], int[], bigint[]);
comment on table gnatter.request is
    'direct conversations that a stranger began and that wait to be accepted, also behind a block';
-- Whoever is connected can notify and lock, and the service believes a notification: our roles connect, and nobody else.
-- Who does not own the database is warned, and it stays as it is.
do $$
begin
    execute format('grant connect on database %I to gnatter_owner, gnatter_service, gnatter_admin, gnatter_readonly', current_database());
    execute format('revoke connect on database %I from public', current_database());
end
$$;
