-- Whoever is connected to the database can notify and take advisory locks: what a notification says is looked up, and what
-- keeps a service or a migration out is locked where only our functions and the owner can.
create table gnatter.claim ();
comment on table gnatter.claim is 'never has a row; locked while a service asks whether there is another one';

alter table gnatter.push_provider add column resumed_at timestamptz;
comment on column gnatter.push_provider.resumed_at is
    'when an operator last said that it is to go on, and services are to read their keys again; null: never';
-- It comes back with another column: since when providers are to go on.
drop function if exists gnatter.push_count();
