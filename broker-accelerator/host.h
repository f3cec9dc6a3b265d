#ifndef GNATTER_HOST_H
#define GNATTER_HOST_H
/* Which program is this? The accelerator knows how one version of one program uses its sockets, and helps no other. */
enum host {
    HOST_OTHER,   /* not Mosquitto: a child of it, or somebody's shell */
    HOST_UNKNOWN, /* Mosquitto, but not the version whose source was read */
    HOST_KNOWN,
    HOST_SWITCHED_OFF, /* GNATTER_ACCELERATOR=off */
};
#define HOST_VERSION "2.0.11"

enum host host_look(void);
/* Lets gnatterctl, and whoever looks into /proc/PID/maps, see that the accelerator is at work. */
void host_mark(void);
#endif
