/*
 * A real slapd for one test program: ldaps on 127.0.0.1, and on 127.0.0.2, for which its certificate is not good. Its
 * CA is made for it, in a folder that goes away with it. It is stopped by its process id. Users: anna (password "anna's
 * secret"), bert (disabled for ever), two called twin, and more who differ; the searcher is cn=subgate ("search
 * secret").
 */
#ifndef TESTS_WITH_SLAPD_H
#define TESTS_WITH_SLAPD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "with_ports.h"

#define SLAPD_FOLDER_SIZE 64 /* bytes */

extern char **environ;

struct slapd {
	char folder[SLAPD_FOLDER_SIZE];
	char uri[64];
	char ca_file[SLAPD_FOLDER_SIZE + 16];
	uint16_t port;
	pid_t pid; /* 0: not running */
};

static const char slapd_config[] = "include /etc/ldap/schema/core.schema\n"
				   "include /etc/ldap/schema/cosine.schema\n"
				   "include /etc/ldap/schema/inetorgperson.schema\n"
				   "modulepath /usr/lib/ldap\n"
				   "moduleload back_mdb\n"
				   "moduleload ppolicy\n"
				   "pidfile %1$s/slapd.pid\n"
				   "TLSCertificateFile %1$s/server.pem\n"
				   "TLSCertificateKeyFile %1$s/server.key\n"
				   "access to attrs=userPassword by anonymous auth by * none\n"
				   "access to dn.exact=uid=rosa,ou=people,dc=example,dc=com attrs=pwdReset by * none\n"
				   "access to * by dn.exact=cn=subgate,dc=example,dc=com read by * none\n"
				   "database mdb\n"
				   "maxsize 10485760\n"
				   "suffix dc=example,dc=com\n"
				   "directory %1$s/data\n"
				   "overlay ppolicy\n";

static const char slapd_entries[] =
	"dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n"
	"dn: ou=people,dc=example,dc=com\nobjectClass: organizationalUnit\nou: people\n\n"
	"dn: cn=subgate,dc=example,dc=com\nobjectClass: person\ncn: subgate\nsn: subgate\n"
	"userPassword: search secret\n\n"
	"dn: uid=anna,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: anna\ncn: Anna\nsn: A\n"
	"mail: Anna@Example.com\ndescription: anna.a@example.com\ndepartmentNumber: sales\ndepartmentNumber: press\n"
	"userPassword: anna's secret\n\n"
	"dn: uid=bert,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: bert\ncn: Bert\nsn: B\n"
	"mail: bert@example.com\nuserPassword: bert's secret\npwdAccountLockedTime: 000001010000Z\n\n"
	"dn: uid=twin,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: twin\ncn: One\nsn: T\n"
	"userPassword: twin's secret\n\n"
	"dn: cn=Two,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: twin\ncn: Two\nsn: T\n"
	"userPassword: twin's secret\n\n"
	"dn: uid=nomail,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: nomail\ncn: No\nsn: N\n"
	"userPassword: nomail's secret\n\n"
	/* A passphrase that happens to have the form and the checksum of an app password. */
	"dn: uid=cleo,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: cleo\ncn: Cleo\nsn: C\n"
	"mail: cleo@example.com\nuserPassword: horse stone chair light river\n\n"
	"dn: uid=many,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: many\ncn: Many\nsn: M\n"
	"mail: many@example.com\nmail: more@example.com\nuserPassword: many's secret\n\n"
	"dn: uid=eva,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: eva\ncn: Eva\nsn: E\n"
	"mail: eva@example.com\nuserPassword: eva's secret\npwdEndTime: 20200101000000Z\n\n"
	"dn: uid=mona,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: mona\ncn: Mona\nsn: M\n"
	"mail: mona@example.com\nuserPassword: mona's secret\npwdReset: TRUE\n\n"
	"dn: uid=rosa,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: rosa\ncn: Rosa\nsn: R\n"
	"mail: rosa@example.com\nuserPassword: rosa's secret\npwdReset: TRUE\n"
	"pwdPolicySubentry: cn=changing,dc=example,dc=com\n\n"
	"dn: cn=changing,dc=example,dc=com\nobjectClass: device\nobjectClass: pwdPolicy\ncn: changing\n"
	"pwdAttribute: userPassword\npwdMustChange: TRUE\n\n"
	"dn: uid=olga,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: olga\ncn: Olga\nsn: O\n"
	"mail: olga@example.com\nuserPassword: olga's secret\npwdChangedTime: 20200101000000Z\n"
	"pwdPolicySubentry: cn=aging,dc=example,dc=com\n\n"
	"dn: cn=aging,dc=example,dc=com\nobjectClass: device\nobjectClass: pwdPolicy\ncn: aging\n"
	"pwdAttribute: userPassword\npwdMaxAge: 86400\npwdGraceAuthNLimit: 3\n\n"
	"dn: ou=groups,dc=example,dc=com\nobjectClass: organizationalUnit\nou: groups\n\n"
	"dn: cn=Sales\\, Berlin,ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\ncn: Sales, Berlin\n"
	"member: uid=anna,ou=people,dc=example,dc=com\nmember: cn=loop,ou=groups,dc=example,dc=com\n\n"
	"dn: cn=all,ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\ncn: all\n"
	"member: cn=Sales\\, Berlin,ou=groups,dc=example,dc=com\n\n"
	"dn: cn=loop,ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\ncn: loop\n"
	"member: cn=all,ou=groups,dc=example,dc=com\n\n"
	"dn: cn=others,ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\ncn: others\n"
	"member: uid=eva,ou=people,dc=example,dc=com\n\n"
	"dn: cn=box,ou=groups,dc=example,dc=com\nobjectClass: organizationalRole\nobjectClass: extensibleObject\n"
	"cn: box\nmail: box@example.com\nmail: @boxes.example.com\n"
	"roleOccupant: uid=anna,ou=people,dc=example,dc=com\n";

/* Makes a CA, and a certificate of it for 127.0.0.1; then the database. */
static const char slapd_set_up[] =
	"set -e; cd %1$s; mkdir data; exec >setup.log 2>&1\n"
	"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test-ca"
	" -keyout ca.key -out ca.pem\n"
	"openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test-server"
	" -keyout server.key -out server.csr\n"
	"printf 'subjectAltName=IP:127.0.0.1\\n' >server.ext\n"
	"openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext"
	" -out server.pem\n"
	"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=other-ca"
	" -keyout other.key -out other.pem\n"
	"/usr/sbin/slapadd -w -f slapd.conf -l entries.ldif\n";

static inline void slapd_shell(const char *script)
{
	char *const arguments[] = { (char[]){ "/bin/sh" }, (char[]){ "-c" }, (char *)(uintptr_t)script, NULL };
	int result = 0;
	pid_t pid = 0;
	assert_int_equal(posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ), 0);
	assert_int_equal(waitpid(pid, &result, 0), pid);
	assert_int_equal(result, 0);
}

static inline void slapd_write(const struct slapd *slapd, const char *name, const char *text)
{
	char path[SLAPD_FOLDER_SIZE + 32];
	snprintf(path, sizeof(path), "%s/%s", slapd->folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static inline struct sockaddr_in slapd_address(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static inline bool slapd_answers(const struct slapd *slapd)
{
	struct sockaddr_in address = slapd_address(slapd->port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool connected = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return connected;
}

static inline void slapd_start(struct slapd *slapd)
{
	char file[SLAPD_FOLDER_SIZE + 16], uri[128];
	snprintf(file, sizeof(file), "%s/slapd.conf", slapd->folder);
	snprintf(uri, sizeof(uri), "%s/ ldaps://127.0.0.2:%u/", slapd->uri, slapd->port);
	char *const arguments[] = {
		(char[]){ "slapd" }, (char[]){ "-d0" }, (char[]){ "-f" }, file, (char[]){ "-h" }, uri, NULL
	};
	assert_int_equal(posix_spawn(&slapd->pid, "/usr/sbin/slapd", NULL, NULL, arguments, environ), 0);
	for (int tries = 0; tries < 3000 && !slapd_answers(slapd); tries++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	assert_true(slapd_answers(slapd));
}

static inline void slapd_stop(struct slapd *slapd)
{
	if (slapd->pid == 0)
		return;
	kill(slapd->pid, SIGCONT);
	kill(slapd->pid, SIGKILL);
	waitpid(slapd->pid, NULL, 0);
	slapd->pid = 0;
}

/* Makes its folder and database, and starts it. */
static inline void slapd_create(struct slapd *slapd)
{
	char text[4096];
	*slapd = (struct slapd){ .folder = "/tmp/subgate-test-slapd-XXXXXX" };
	assert_non_null(mkdtemp(slapd->folder));
	slapd->port = test_free_port();
	snprintf(slapd->uri, sizeof(slapd->uri), "ldaps://127.0.0.1:%u", slapd->port);
	snprintf(slapd->ca_file, sizeof(slapd->ca_file), "%s/ca.pem", slapd->folder);
	snprintf(text, sizeof(text), slapd_config, slapd->folder);
	slapd_write(slapd, "slapd.conf", text);
	slapd_write(slapd, "entries.ldif", slapd_entries);
	snprintf(text, sizeof(text), slapd_set_up, slapd->folder);
	slapd_shell(text);
	slapd_start(slapd);
}

static inline void slapd_remove(struct slapd *slapd)
{
	char script[SLAPD_FOLDER_SIZE + 16];
	slapd_stop(slapd);
	snprintf(script, sizeof(script), "rm -rf %s", slapd->folder);
	slapd_shell(script);
}

#endif
