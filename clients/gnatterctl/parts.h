#ifndef GNATTER_CTL_PARTS_H
#define GNATTER_CTL_PARTS_H
/*
 * The parts of a node, in the order they are started; they are stopped in the reverse one. DIR/run/<name>.pid holds
 * each one's process id for people and tools; DIR/run/parts also their start times, so that a later gnatterctl never
 * takes another process for one of ours.
 */
#include "node.h"
#include "process.h"

enum part_id { PART_POSTGRES, PART_BROKER, PART_SYNCD, PARTS };
struct part_row {
    const char *name, *pid_file, *log_file;
    int stop_signal;
    int stop_ms; /* so long it may take; then it is killed */
};
extern const struct part_row part_rows[PARTS];

#define PARTS_FILE "run/parts"

/* The processes, pid 0 where there is none (any more). */
struct parts {
    struct process supervisor;
    struct process part[PARTS];
    bool is_told; /* by the supervisor that is at work; else they were looked for, and it may be about to change them */
};
void parts_read(const struct node *node, struct parts *ret_parts);
/* Says what is wrong. */
MUST_CHECK enum result parts_write(const struct node *node, const struct parts *parts);
bool parts_are_written(const struct node *node);

/* Has this node such a part? (PostgreSQL may be somebody else's.) */
bool part_is_ours(const struct node *node, enum part_id id);
bool part_start(const struct node *node, enum part_id id, struct process *ret_process); /* false with errno */
/* Orderly, and if that takes too long not. False: it was killed. */
bool part_stop(enum part_id id, struct process process);
/* Would the service take its configuration as it is now? Says in its words why not. */
MUST_CHECK enum result parts_service_check(const struct node *node);
/* Lets the parts read keys and configuration again. False: none is up. */
bool node_reload(const struct node *node);
/* The last lines of its log, for messages. */
const char *part_last_words(const struct node *node, const char *log_file);
/* The programs and libraries a start needs. Says what is missing. */
MUST_CHECK enum result parts_installed(const struct node *node);
#endif
