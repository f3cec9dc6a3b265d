#!/bin/sh
# first-conversation.sh [DIR]: on a node that is up, alice writes to bob and to a group, and what is said to whom is printed as
# it arrives (first-conversation.c). Then: how to go on by hand. Run again, it goes on with the same users.
set -eu
dir=${1:-run}
bin=${BIN:-build/bin}
port=$(sed -n 's/^mqtt_port = //p' "$dir/gnatter.conf")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

admin() { "$bin/gnatterctl" --dir "$dir" "$@"; }

# The tour has devices of its own: those of the lines printed at the end stay free for whoever pastes them.
for user in alice bob carol; do
    admin user add $user --if-missing >/dev/null
    (umask 077 && admin token $user tour --ttl 15m >"$work/$user.tour")
done
admin group show kitchen >/dev/null 2>&1 ||
    admin group create kitchen --owner alice --title Kitchen >/dev/null
for user in alice bob carol; do
    admin group show kitchen | grep -q "^$user " || admin group add kitchen $user >/dev/null
done

# A token good for a year. mosquitto_sub cannot acknowledge, so its devices do by taking.
keep_token() { # user, device, file
    admin device add "$1" "$2" --if-missing --ack auto >/dev/null
    (umask 077 && admin token "$1" "$2" --ttl 365d >"$dir/$3.new" && mv "$dir/$3.new" "$dir/$3")
}
keep_token alice phone alice.token
keep_token bob phone bob.token
keep_token bob laptop bob-laptop.token

"$bin/first-conversation" 127.0.0.1 "$port" "$work"
cat <<END

Now you. Tokens are in files that only you can read. In one terminal, bob's phone listens:

  mosquitto_sub -h 127.0.0.1 -p $port -i bob:phone -u bob -P "\$(cat $dir/bob.token)" -q 1 -t 'inbox/bob/#' -v

and in another alice's phone writes to bob, and to the group:

  mosquitto_pub -h 127.0.0.1 -p $port -i alice:phone -u alice -P "\$(cat $dir/alice.token)" -q 1 -t chat/u/bob/\$(date +%s%N) -m 'Hello'
  mosquitto_pub -h 127.0.0.1 -p $port -i alice:phone -u alice -P "\$(cat $dir/alice.token)" -q 1 -t chat/g/kitchen/\$(date +%s%N) -m 'Hello all'

Bob answers from his laptop:

  mosquitto_pub -h 127.0.0.1 -p $port -i bob:laptop -u bob -P "\$(cat $dir/bob-laptop.token)" -q 1 -t chat/u/alice/\$(date +%s%N) -m 'Hi'

The node stays up: $bin/gnatterctl --dir $dir status shows it, make stop ends it. What each topic means: docs/protocol.md
END
