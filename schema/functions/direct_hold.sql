create or replace function gnatter.direct_hold(a_name text, b_name text, creates boolean) returns gnatter.conversation
language plpgsql volatile
set search_path = pg_catalog, gnatter, pg_temp
as $$
declare
    -- null: least and greatest would leave that one out
    direct_name text := case when a_name is not null and b_name is not null
        then 'd/' || least(a_name collate "C", b_name collate "C") || '/' || greatest(a_name collate "C", b_name collate "C")
        end;
    held gnatter.conversation;
begin
    -- whoever forgets to end the transaction is disconnected: see event_append
    if current_setting('idle_in_transaction_session_timeout') = '0' then
        perform set_config('idle_in_transaction_session_timeout', '30s', true);
    end if;
    if creates then
        perform gnatter.direct_create(array[direct_name], '{true}');
    end if;
    select c.* into held from gnatter.conversation c where c.name = direct_name for no key update;
    return held;
end
$$;
comment on function gnatter.direct_hold(text, text, boolean) is
    'the row of two users'' direct conversation, locked; null: there is none. Internal';
