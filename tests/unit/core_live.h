#ifndef GNATTER_CORE_LIVE_H
#define GNATTER_CORE_LIVE_H
/* Where a case begins when it is about devices that are live. The notation: core_script.h */
#include "core_script.h"

/* Alice sends from her phone, bob has a phone and a tab; all hold what there is of g/x. */
static void three_live(struct stage *stage)
{
    PLAY(stage, {"ready alice:phone", "scan alice:phone"}, {"scanned", "caught-up alice:phone 0"},
         {"ready bob:phone", "scan bob:phone"}, {"scanned", "caught-up bob:phone 0"}, {"ready bob:tab", "scan bob:tab"},
         {"scanned", "caught-up bob:tab 0"}, {"typing alice:phone g/x", "load g/x"},
         {"loaded g/x last=1 alice=1- bob=1-@1/0 cursor=alice:phone:1 cursor=bob:phone:1 cursor=bob:tab:1", ""});
}

static void stage_open_quiet(struct stage *stage)
{
    stage_open(stage);
    stage->options.flush_after_ms = 1000000; /* marks are another test's */
}

#endif
