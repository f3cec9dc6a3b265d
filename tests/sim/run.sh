#!/bin/sh
# TAP: random schedules of the delivery core keep every promise, and a planted defect is found.
# SIM_SCHEDULES and SIM_SEED choose how many and which (10000 from 1).
set -eu
cd "$(dirname "$0")/../.."
sim=${SIM:-build/tests/sim}
schedules=${SIM_SCHEDULES:-10000}
seed=${SIM_SEED:-1}
echo 1..2
status=0
"$sim" --seed "$seed" --schedules "$schedules" --tap || status=1
"$sim" --seed "$seed" --schedules 1000 --plant contiguity --tap || status=1
exit $status
