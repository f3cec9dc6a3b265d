%% MQTT packets for tsung's raw sessions. tsung's own MQTT sessions (1.7) choose their client id themselves, and Gnatter's
%% client ids are names ("alice:phone"), so the scenario sends packets made here: %%gnatter_mqtt:connect%% and so on.
%% The variables client_id, user, token and friend come from the scenario's CSV files.
-module(gnatter_mqtt).
-export([connect/1, subscribe/1, chat/1, disconnect/1]).

connect({_Pid, Vars}) ->
    packet(16#10, [string("MQTT"), 4, 16#c2, 0, 120, string(value(client_id, Vars)), string(value(user, Vars)),
                   string(value(token, Vars))]).

subscribe({_Pid, Vars}) ->
    packet(16#82, [0, 1, string("inbox/" ++ value(user, Vars) ++ "/#"), 1]).

%% A message of 100 bytes with an id of its own, QoS 1.
chat({_Pid, Vars}) ->
    Id = integer_to_list(erlang:system_time(nanosecond), 36) ++ "-" ++ integer_to_list(rand:uniform(1000000)),
    Topic = "chat/u/" ++ value(friend, Vars) ++ "/" ++ Id,
    packet(16#32, [string(Topic), 0, 2, lists:duplicate(100, $.)]).

disconnect(_) ->
    [16#e0, 0].

value(Name, Vars) ->
    {ok, Value} = ts_dynvars:lookup(Name, Vars),
    case Value of
        _ when is_binary(Value) -> binary_to_list(Value);
        _ -> Value
    end.

string(Text) ->
    [length(Text) div 256, length(Text) rem 256, Text].

packet(First, Body) ->
    Flat = lists:flatten(Body),
    [First | digits(length(Flat))] ++ Flat.

digits(Length) when Length < 128 ->
    [Length];
digits(Length) ->
    [Length rem 128 + 128 | digits(Length div 128)].
