# Every kind of client against real servers, first bare, as a control, then under the library.
# What the clients do is in clients/probe.py, what a start script is in lib/servers.bash.

load lib/env
load lib/servers

setup_file() {
    # Not below BATS_FILE_TMPDIR, which servers that give up root cannot enter.
    SERVERS_TMP=$(mktemp -d "${TMPDIR:-/tmp}/servers.XXXXXX")
    export SERVERS_TMP
    chmod 755 "$SERVERS_TMP"
    make_certificate "$SERVERS_TMP"
}

teardown_file() {
    rm -rf "$SERVERS_TMP"
}

setup() {
    shakeout_setup
    SERVER_PID=
}

teardown() {
    [[ -z $SERVER_PID ]] || stop_server
    shakeout_teardown
}

# A table that leaves a server out would pass without it.
@test "every start script has a test, and the tests that are not of the usual run are tagged" {
    local name wanted tested
    wanted=$(for name in $(server_names); do
        if grep -qx '# fast' "$servers_dir/$name"; then echo "$name"; else echo "$name slow"; fi
    done | sort)
    tested=$(awk '/^# bats test_tags=slow/ { slow = " slow" }
        $1 == "check_server" { print $2 slow; slow = "" }' "$BATS_TEST_FILENAME" | sort)
    diff <(echo "$wanted") <(echo "$tested")
}

# The table: a test for each start script; the slow ones run where ALL_SERVERS=1 (make check-servers).

# bats test_tags=slow
@test "aiohttp" {
    check_server aiohttp
}

@test "apache-event" {
    check_server apache-event
}

# bats test_tags=slow
@test "apache-prefork" {
    check_server apache-prefork
}

@test "asyncio" {
    check_server asyncio
}

# bats test_tags=slow
@test "asyncio-python3.6" {
    check_server asyncio-python3.6
}

# bats test_tags=slow
@test "bind-doh" {
    check_server bind-doh
}

# bats test_tags=slow
@test "bind-dot" {
    check_server bind-dot
}

# bats test_tags=slow
@test "bip" {
    check_server bip
}

# bats test_tags=slow
@test "caddy" {
    check_server caddy
}

# bats test_tags=slow
@test "cheroot" {
    check_server cheroot
}

# bats test_tags=slow
@test "coturn" {
    check_server coturn
}

# bats test_tags=slow
@test "cups" {
    check_server cups
}

# bats test_tags=slow
@test "daphne" {
    check_server daphne
}

# bats test_tags=slow
@test "dnsdist" {
    check_server dnsdist
}

@test "dovecot-imaps" {
    check_server dovecot-imaps
}

# bats test_tags=slow
@test "dovecot-pop3s" {
    check_server dovecot-pop3s
}

# bats test_tags=slow
@test "dovecot-starttls" {
    check_server dovecot-starttls
}

# bats test_tags=slow
@test "ejabberd" {
    check_server ejabberd
}

# bats test_tags=slow
@test "erlang" {
    check_server erlang
}

# bats test_tags=slow
@test "eventlet" {
    check_server eventlet
}

# bats test_tags=slow
@test "eventmachine" {
    check_server eventmachine
}

@test "exim" {
    check_server exim
}

# bats test_tags=slow
@test "exim-starttls" {
    check_server exim-starttls
}

# bats test_tags=slow
@test "gevent" {
    check_server gevent
}

# bats test_tags=slow
@test "gnutls-serv" {
    check_server gnutls-serv
}

# bats test_tags=slow
@test "gunicorn-gthread" {
    check_server gunicorn-gthread
}

# bats test_tags=slow
@test "gunicorn-sync" {
    check_server gunicorn-sync
}

# bats test_tags=slow
@test "h2o" {
    check_server h2o
}

@test "haproxy" {
    check_server haproxy
}

# bats test_tags=slow
@test "hitch" {
    check_server hitch
}

# bats test_tags=slow
@test "inspircd" {
    check_server inspircd
}

# bats test_tags=slow
@test "java" {
    check_server java
}

# bats test_tags=slow
@test "kamailio" {
    check_server kamailio
}

# bats test_tags=slow
@test "knot-resolver-doh" {
    check_server knot-resolver-doh
}

# bats test_tags=slow
@test "knot-resolver-dot" {
    check_server knot-resolver-dot
}

# bats test_tags=slow
@test "lighttpd-gnutls" {
    check_server lighttpd-gnutls
}

# bats test_tags=slow
@test "lighttpd-mbedtls" {
    check_server lighttpd-mbedtls
}

# bats test_tags=slow
@test "lighttpd-nss" {
    check_server lighttpd-nss
}

# bats test_tags=slow
@test "lighttpd-openssl" {
    check_server lighttpd-openssl
}

# bats test_tags=slow
@test "lighttpd-wolfssl" {
    check_server lighttpd-wolfssl
}

# bats test_tags=slow
@test "luasec" {
    check_server luasec
}

# bats test_tags=slow
@test "mariadb" {
    check_server mariadb
}

@test "memcached" {
    check_server memcached
}

# bats test_tags=slow
@test "mini-httpd" {
    check_server mini-httpd
}

# bats test_tags=slow
@test "mojolicious" {
    check_server mojolicious
}

# bats test_tags=slow
@test "mosquitto" {
    check_server mosquitto
}

# bats test_tags=slow
@test "mumble" {
    check_server mumble
}

# bats test_tags=slow
@test "ncat" {
    check_server ncat
}

# bats test_tags=slow
@test "nghttpd" {
    check_server nghttpd
}

@test "nginx" {
    check_server nginx
}

# bats test_tags=slow
@test "nginx-stream" {
    check_server nginx-stream
}

# bats test_tags=slow
@test "ngircd" {
    check_server ngircd
}

# bats test_tags=slow
@test "node" {
    check_server node
}

# bats test_tags=slow
@test "node-https" {
    check_server node-https
}

@test "nodejs-debian" {
    check_server nodejs-debian
}

# bats test_tags=slow
@test "nrpe" {
    check_server nrpe
}

# bats test_tags=slow
@test "ocserv" {
    check_server ocserv
}

@test "openssl-s_server" {
    check_server openssl-s_server
}

@test "openssl-s_server-www" {
    check_server openssl-s_server-www
}

# bats test_tags=slow
@test "perl" {
    check_server perl
}

# bats test_tags=slow
@test "pgbouncer" {
    check_server pgbouncer
}

# bats test_tags=slow
@test "php" {
    check_server php
}

# bats test_tags=slow
@test "postfix-postscreen" {
    check_server postfix-postscreen
}

@test "postfix-smtps" {
    check_server postfix-smtps
}

# bats test_tags=slow
@test "postfix-starttls" {
    check_server postfix-starttls
}

@test "postgresql" {
    check_server postgresql
}

# bats test_tags=slow
@test "proftpd-explicit" {
    check_server proftpd-explicit
}

# bats test_tags=slow
@test "proftpd-implicit" {
    check_server proftpd-implicit
}

# bats test_tags=slow
@test "prosody-directtls" {
    check_server prosody-directtls
}

# bats test_tags=slow
@test "prosody-https" {
    check_server prosody-https
}

# bats test_tags=slow
@test "prosody-starttls" {
    check_server prosody-starttls
}

# bats test_tags=slow
@test "puma" {
    check_server puma
}

@test "python-blocking" {
    check_server python-blocking
}

@test "python-threads" {
    check_server python-threads
}

# bats test_tags=slow
@test "qemu-nbd" {
    check_server qemu-nbd
}

@test "redis" {
    check_server redis
}

# bats test_tags=slow
@test "rsyslog" {
    check_server rsyslog
}

@test "slapd-ldaps" {
    check_server slapd-ldaps
}

# bats test_tags=slow
@test "slapd-starttls" {
    check_server slapd-starttls
}

@test "socat-fork" {
    check_server socat-fork
}

# bats test_tags=slow
@test "squid" {
    check_server squid
}

@test "stunnel" {
    check_server stunnel
}

# bats test_tags=slow
@test "tcpserver-stunnel" {
    check_server tcpserver-stunnel
}

# bats test_tags=slow
@test "tornado" {
    check_server tornado
}

# bats test_tags=slow
@test "twisted" {
    check_server twisted
}

# bats test_tags=slow
@test "unbound" {
    check_server unbound
}

# bats test_tags=slow
@test "uvicorn" {
    check_server uvicorn
}

@test "uvloop" {
    check_server uvloop
}

# bats test_tags=slow
@test "uwsgi" {
    check_server uwsgi
}

# bats test_tags=slow
@test "vsftpd-explicit" {
    check_server vsftpd-explicit
}

@test "vsftpd-implicit" {
    check_server vsftpd-implicit
}

# bats test_tags=slow
@test "webrick" {
    check_server webrick
}

# bats test_tags=slow
@test "znc" {
    check_server znc
}
