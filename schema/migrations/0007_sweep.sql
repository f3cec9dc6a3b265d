-- It comes back with another column: whether there is more to do at once.
drop function if exists gnatter.timer_sweep(int, int);
