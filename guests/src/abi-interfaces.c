/* The loopback interface as netlink and ioctls show it. Others are left out, and IPv6. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAILS(...) do { errno = 0; long r_ = (long)(__VA_ARGS__); printf("%s = %ld, errno %d\n", #__VA_ARGS__, r_, errno); } while (0)

int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  struct ifaddrs *all, *a;
  if (getifaddrs(&all)) return 1;
  for (a = all; a; a = a->ifa_next) {
    if (strcmp(a->ifa_name, "lo") || !a->ifa_addr || a->ifa_addr->sa_family == AF_INET6) continue;
    printf("%s flags %x family %d", a->ifa_name, a->ifa_flags, a->ifa_addr->sa_family);
    if (a->ifa_addr->sa_family == AF_INET) printf(" address %s", inet_ntoa(((struct sockaddr_in *)a->ifa_addr)->sin_addr));
    if (a->ifa_addr->sa_family == AF_INET) printf(" mask %s", inet_ntoa(((struct sockaddr_in *)a->ifa_netmask)->sin_addr));
    puts("");
  }
  printf("index %d\n", if_nametoindex("lo")); char name[IF_NAMESIZE]; printf("name %s\n", if_indextoname(1, name));
  FAILS(if_nametoindex("nowhere0"));
  int s = socket(AF_INET, SOCK_DGRAM, 0); struct ifreq r; memset(&r, 0, sizeof r); strcpy(r.ifr_name, "lo");
  ioctl(s, SIOCGIFFLAGS, &r); printf("flags %x\n", r.ifr_flags); ioctl(s, SIOCGIFMTU, &r); printf("mtu %d\n", r.ifr_mtu);
  ioctl(s, SIOCGIFADDR, &r); printf("address %s\n", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
  ioctl(s, SIOCGIFHWADDR, &r); printf("hardware %d\n", r.ifr_hwaddr.sa_family);
  strcpy(r.ifr_name, "nowhere0"); FAILS(ioctl(s, SIOCGIFFLAGS, &r));
  int n = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); struct sockaddr_nl l = {.nl_family = AF_NETLINK}; socklen_t size = sizeof l;
  FAILS(bind(n, (void *)&l, sizeof l)); getsockname(n, (void *)&l, &size); printf("port %d size %d\n", l.nl_pid == (unsigned)getpid(), (int)size);
  FAILS(socket(AF_NETLINK, SOCK_STREAM, 0)); FAILS(listen(n, 1)); FAILS(accept(n, 0, 0));
  char buffer[8192]; FAILS(recv(n, buffer, sizeof buffer, MSG_DONTWAIT));
  struct { struct nlmsghdr h; struct ifinfomsg i; } q = {{sizeof q, RTM_GETLINK, NLM_F_REQUEST, 7, 0}, {.ifi_index = 1}};
  send(n, &q, sizeof q, 0); ssize_t got = recv(n, buffer, sizeof buffer, 0); struct nlmsghdr *h = (void *)buffer;
  printf("link %d type %d seq %d flags %d index %d\n", got > 0, h->nlmsg_type, h->nlmsg_seq, h->nlmsg_flags, ((struct ifinfomsg *)NLMSG_DATA(h))->ifi_index);
  q.i.ifi_index = 999999; send(n, &q, sizeof q, 0); recv(n, buffer, sizeof buffer, 0); printf("no link: type %d error %d\n", h->nlmsg_type, ((struct nlmsgerr *)NLMSG_DATA(h))->error);
  return 0;
}
