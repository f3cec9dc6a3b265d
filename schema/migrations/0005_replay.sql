-- This comes back with other columns: a page of the log names only the senders that its reader does not know.
drop function if exists gnatter.log_page(bigint[], bigint[], int[], int[]);
