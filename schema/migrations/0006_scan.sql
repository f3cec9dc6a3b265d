-- These come back with other columns, or not at all: what devices that come back have to be told is one question.
drop function if exists gnatter.device_scan(bigint[], int, int);
drop function if exists gnatter.device_scan_marks(bigint[], int, int);
drop function if exists gnatter.device_live(bigint[]);
drop function if exists gnatter.device_flags(bigint[]);
