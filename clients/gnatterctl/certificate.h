#ifndef GNATTER_CTL_CERTIFICATE_H
#define GNATTER_CTL_CERTIFICATE_H
/* Would the broker take this certificate chain and key (PEM files)? NULL: yes; else in words why not. */
const char *certificate_why_not(const char *certificate, const char *key);
#endif
