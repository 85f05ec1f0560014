/* Pseudoterminals, sessions and job control. Prints the same on every Linux. */
#include "abi.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

static int master, slave;
static char buffer[70000], path[64];
static int events(int fd) { struct pollfd f = {fd, POLLIN | POLLOUT | POLLPRI, 0}; poll(&f, 1, 0); return f.revents; }
static volatile int got[65];
static void on_signal(int s) { got[s]++; }
static void watch(int s, int flags) { struct sigaction a = {.sa_handler = on_signal, .sa_flags = flags}; sigaction(s, &a, 0); }
static void fresh(void) {
  if (master) { close(slave); close(master); }
  master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  int zero = 0, n; ioctl(master, TIOCSPTLCK, &zero); ioctl(master, TIOCGPTN, &n);
  snprintf(path, sizeof path, "/dev/pts/%d", n);
  slave = open(path, O_RDWR | O_NOCTTY);
}
/* The other side works in the background on Linux. */
static void settle(void) { usleep(20000); }
static void show(const char *what, int fd) {
  settle();
  struct pollfd f = {fd, POLLIN, 0};
  long n = poll(&f, 1, 0) > 0 && (f.revents & POLLIN) ? read(fd, buffer, sizeof buffer) : -2;
  printf("%s: %ld '", what, n);
  for (long i = 0; i < n && i < 200; i++) if (buffer[i] >= 32 && buffer[i] < 127) putchar(buffer[i]); else printf("\\x%02x", (unsigned char)buffer[i]);
  puts("'");
}
static void set(unsigned clear, unsigned add, int min, int vtime) {
  struct termios t; tcgetattr(slave, &t); t.c_lflag = (t.c_lflag & ~clear) | add; t.c_cc[VMIN] = min; t.c_cc[VTIME] = vtime; tcsetattr(slave, TCSANOW, &t);
}

static void opening(void) {
  master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  int n, v = -1; SHOW(ioctl(master, TIOCGPTN, &n)); snprintf(path, sizeof path, "/dev/pts/%d", n);
  SHOW(open(path, O_RDWR | O_NOCTTY)); SHOW(ioctl(master, TIOCGPTLCK, &v)); printf("%d\n", v);
  int zero = 0; SHOW(ioctl(master, TIOCSPTLCK, &zero)); SHOW(events(master));
  slave = open(path, O_RDWR | O_NOCTTY); SHOW(slave >= 0); SHOW(isatty(slave)); SHOW(isatty(master));
  struct stat st; fstat(slave, &st); printf("%o %d\n", st.st_mode & 0170000, (int)(st.st_rdev >> 8)); SHOW(lseek(slave, 0, SEEK_CUR));
  struct termios t; SHOW(tcgetattr(slave, &t)); printf("%o %o %o %o, speed %o\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag, cfgetospeed(&t)); for (int i = 0; i < 17; i++) printf("%d ", t.c_cc[i]); puts("");
  struct winsize w = {1, 2, 3, 4}; SHOW(ioctl(slave, TIOCGWINSZ, &w)); printf("%d %d\n", w.ws_row, w.ws_col); w.ws_row = 30; SHOW(ioctl(master, TIOCSWINSZ, &w)); SHOW(ioctl(slave, TIOCGWINSZ, &w)); printf("%d %d\n", w.ws_row, w.ws_col); SHOW(ioctl(slave, TIOCGWINSZ, (void *)8));
  SHOW(ioctl(slave, TIOCGPTN, &n)); SHOW(ioctl(slave, 0x5499, &n)); SHOW(ioctl(slave, TIOCGPGRP, &n)); SHOW(ioctl(slave, TIOCGSID, &n)); SHOW(ioctl(slave, TIOCNOTTY)); n = getpgrp(); SHOW(ioctl(slave, TIOCSPGRP, &n)); SHOW(ioctl(master, TIOCGPGRP, &n)); printf("%d\n", n); SHOW(ioctl(slave, TIOCGETD, &n)); printf("%d\n", n); SHOW(ioctl(slave, TCFLSH, 9)); SHOW(ioctl(slave, TCXONC, 9)); SHOW(tcdrain(slave)); SHOW(tcsendbreak(slave, 0));
  SHOW(events(slave)); int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY); SHOW(peer >= 0); close(peer);
  SHOW(ioctl(slave, TIOCEXCL)); close(slave); settle(); SHOW(events(master)); fcntl(master, F_SETFL, O_NONBLOCK); SHOW(read(master, buffer, 10)); SHOW(write(master, "x", 1)); settle(); slave = open(path, O_RDWR | O_NOCTTY); SHOW(slave >= 0); SHOW(events(master)); SHOW(read(master, buffer, 10));
}

static void reading(void) {
  fresh(); write(master, "abc\ndef\n", 8); show("echo", master); SHOW(events(slave)); SHOW(read(slave, buffer, 2)); SHOW(read(slave, buffer, 10)); SHOW(read(slave, buffer, 10));
  write(master, "ab\x04\x04", 4); settle(); SHOW(read(slave, buffer, 10)); SHOW(read(slave, buffer, 10)); write(master, "partial", 7); settle(); SHOW(events(slave)); fcntl(slave, F_SETFL, O_NONBLOCK); SHOW(read(slave, buffer, 10)); set(ICANON, 0, 1, 0); SHOW(read(slave, buffer, 3)); SHOW(read(slave, buffer, 10)); SHOW(read(slave, buffer, 10)); set(0, ICANON, 1, 0); fcntl(slave, F_SETFL, 0); show("echo", master);
  set(ICANON | ECHO, 0, 0, 0); SHOW(read(slave, buffer, 10)); set(0, 0, 0, 1); SHOW(read(slave, buffer, 10)); write(master, "xy", 2); settle(); SHOW(read(slave, buffer, 10)); set(0, 0, 3, 1); write(master, "z", 1); settle(); SHOW(read(slave, buffer, 10)); set(0, 0, 3, 0); write(master, "1", 1); settle(); SHOW(events(slave)); write(master, "23", 2); settle(); SHOW(events(slave)); SHOW(read(slave, buffer, 10)); write(master, "12345", 5); settle(); SHOW(read(slave, buffer, 2)); SHOW(read(slave, buffer, 10));
  fflush(stdout); pid_t child = fork(); if (child == 0) { usleep(30000); write(master, "ab", 2); usleep(30000); write(master, "cd", 2); _exit(0); } SHOW(read(slave, buffer, 10)); waitpid(child, 0, 0); SHOW(write(slave, "out\n", 4)); show("master", master);
  fresh(); memset(buffer, 'a', 5000); SHOW(write(master, buffer, 4000)); write(master, "\n", 1); settle(); int n; ioctl(slave, FIONREAD, &n); printf("%d\n", n); set(0, 0, 1, 0); SHOW(read(slave, buffer, 5000)); show("echo", master);
  memset(buffer, 'b', 5000); write(master, buffer, 5000); settle(); ioctl(slave, FIONREAD, &n); printf("%d\n", n); write(master, "\n", 1); settle(); SHOW(read(slave, buffer, 6000)); SHOW(buffer[4094] == 'b' && buffer[4095] == '\n');
  close(master); master = 0; settle(); SHOW(events(slave)); SHOW(read(slave, buffer, 10)); SHOW(write(slave, "x", 1)); SHOW(ioctl(slave, TIOCGWINSZ, buffer)); SHOW(isatty(slave)); close(slave);
}

static void session(void) {
  fresh(); fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    SHOW(open("/dev/tty", O_RDWR) >= 0 || errno == ENXIO); SHOW(setsid() == getpid()); SHOW(open("/dev/tty", O_RDWR)); SHOW(ioctl(slave, TIOCSCTTY, 0)); SHOW(ioctl(slave, TIOCSCTTY, 0)); int t = open("/dev/tty", O_RDWR); SHOW(t >= 0);
    SHOW(tcgetpgrp(t) == getpgrp()); SHOW(tcgetsid(t) == getsid(0)); SHOW(tcsetpgrp(t, 999999)); SHOW(tcsetpgrp(t, -1)); int m; ioctl(master, TIOCGPGRP, &m); SHOW(m == getpgrp());
    watch(SIGINT, 0); watch(SIGQUIT, 0); watch(SIGTSTP, 0); watch(SIGWINCH, 0); watch(SIGHUP, 0); watch(SIGCONT, 0); watch(SIGTTIN, 0); watch(SIGTTOU, 0);
    write(master, "abc\x03", 4); settle(); printf("SIGINT %d\n", got[SIGINT]); write(master, "\x1c\x1a", 2); settle(); printf("SIGQUIT %d SIGTSTP %d\n", got[SIGQUIT], got[SIGTSTP]); struct winsize w = {5, 5, 0, 0}; ioctl(master, TIOCSWINSZ, &w); ioctl(master, TIOCSWINSZ, &w); printf("SIGWINCH %d\n", got[SIGWINCH]); show("echo", master); SHOW(ioctl(slave, FIONREAD, &m)); printf("%d\n", m);
    write(master, "line\n", 5); settle(); show("master", master); fflush(stdout);
    pid_t job = fork();
    if (job == 0) {
      setpgid(0, 0); SHOW(read(t, buffer, 10)); printf("SIGTTIN %d\n", got[SIGTTIN]); SHOW(write(t, "bg", 2)); struct termios o; tcgetattr(t, &o); SHOW(tcsetattr(t, TCSANOW, &o)); printf("SIGTTOU %d\n", got[SIGTTOU]); signal(SIGTTOU, SIG_IGN); SHOW(tcsetattr(t, TCSANOW, &o)); SHOW(tcsetpgrp(t, getpgrp())); SHOW(read(t, buffer, 10)); SHOW(tcsetpgrp(t, getppid())); signal(SIGTTIN, SIG_IGN); SHOW(read(t, buffer, 10)); signal(SIGTTIN, SIG_DFL); signal(SIGTTOU, SIG_DFL); o.c_lflag |= TOSTOP; signal(SIGTTOU, SIG_IGN); tcsetattr(t, TCSANOW, &o); SHOW(write(t, "x", 1)); watch(SIGTTOU, 0); SHOW(write(t, "x", 1)); printf("SIGTTOU %d\n", got[SIGTTOU]); fflush(stdout); signal(SIGTTIN, SIG_DFL); write(master, "for the job\n", 12); long n = read(t, buffer, 20); printf("continued and read %ld\n", n); fflush(stdout); _exit(0);
    }
    setpgid(job, job); int s; SHOW(waitpid(job, &s, WUNTRACED) == job); printf("stopped %d by %d\n", WIFSTOPPED(s), WSTOPSIG(s)); signal(SIGTTOU, SIG_IGN); SHOW(tcsetpgrp(t, job)); kill(-job, SIGCONT); SHOW(waitpid(job, &s, 0) == job); printf("exit %d\n", WEXITSTATUS(s)); SHOW(tcsetpgrp(t, getpgrp()));
    show("master", master); got[SIGHUP] = got[SIGCONT] = 0; SHOW(ioctl(t, TIOCNOTTY)); printf("SIGHUP %d SIGCONT %d\n", got[SIGHUP], got[SIGCONT]); SHOW(open("/dev/tty", O_RDWR)); int again = open(path, O_RDWR); SHOW(tcgetpgrp(again) == getpgrp()); fflush(stdout);
    job = fork(); if (job == 0) { setpgid(0, 0); kill(getpid(), SIGSTOP); printf("orphan SIGHUP %d SIGCONT %d\n", got[SIGHUP], got[SIGCONT]); SHOW(read(again, buffer, 1)); fflush(stdout); _exit(0); }
    waitpid(job, &s, WUNTRACED); fflush(stdout); _exit(0);
  }
  int s; waitpid(child, &s, 0); usleep(100000); printf("session leader %d\n", s); close(slave); settle(); SHOW(events(master) & POLLHUP); close(master); master = 0;
  fresh(); fflush(stdout); int p[2]; pipe(p);
  child = fork(); if (child == 0) { setsid(); ioctl(slave, TIOCSCTTY, 0); close(master); watch(SIGHUP, 0); write(p[1], "r", 1); pause(); printf("SIGHUP %d\n", got[SIGHUP]); SHOW(read(slave, buffer, 1)); SHOW(open("/dev/tty", O_RDWR)); fflush(stdout); _exit(4); }
  read(p[0], buffer, 1); settle(); close(master); master = 0; waitpid(child, &s, 0); printf("hung up, exit %d\n", WEXITSTATUS(s)); close(slave);
}

int main(void) { opening(); reading(); session(); return 0; }
