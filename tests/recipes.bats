#!/usr/bin/env bats
# What shakeout(7) says about real servers, done as it says: each recipe is taken out of the manual.
# packages: mandoc nginx-light apache2 postgresql openssl

# SC2030, SC2031: a variable that one test changes is not read by another. SC2154: `run` sets it.
# shellcheck disable=SC2030,SC2031,SC2154

bats_require_minimum_version 1.5.0
load lib/env
load lib/servers

setup() {
    no_sanitizer "the servers start in ways that know nothing of a sanitizer's runtime"
    [[ $EUID -eq 0 ]] || skip "only root starts these servers as they are started"
    # Short, for the sockets in it; entered by every server's user.
    DIR=$(mktemp -d "${TMPDIR:-/tmp}/recipe.XXXXXX")
    chmod 755 "$DIR"
    make_certificate "$DIR"
    PORT=$(free_port)
    LOG=$DIR/shakeout.log
    STARTED=()
    unset_settings
    cd "$DIR" || return 1
}

teardown() {
    [[ -n ${DIR-} ]] || return 0
    local pid
    for pid in "${STARTED[@]}"; do
        if kill "$pid" 2>/dev/null; then
            while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
        fi
    done
    cd / && rm -r "$DIR"
}

# recipe SECTION [N]: the Nth block (1) of literal lines in this section of shakeout(7), for the
# library under test, with a deadline of 1 s and a log that the test can read.
recipe() {
    awk -v section="$1" -v wanted="${2:-1}" '
        /^\.S[hs] / { inside = ($0 == ".Ss " section); number = 0 }
        inside && /^\.Ed/ { shown = 0 }
        shown { gsub(/\\e/, "\\"); print }
        inside && /^\.Bd -literal/ { shown = (++number == wanted) }' \
        "$SHAKEOUT_ROOT/shim/man/shakeout.7" |
        sed -E "s,/usr/local/lib/shakeout/libshakeout.so,$SHAKEOUT_LIB,
            s,(SHAKEOUT_TIMEOUT( = |=)'?)10,\11,; s,(SHAKEOUT_LOG( = |=)'?)(syslog|journal),\1$LOG,
            s,SHAKEOUT_PORTS=8443,SHAKEOUT_PORTS=$PORT," >"$DIR/recipe"
    [[ -s $DIR/recipe ]]
    cat "$DIR/recipe"
}

# A client that sends nothing but what begins the handshake (an argument of printf) is shut at 1 s.
silent_client_is_shut() {
    /usr/bin/python3 - "$PORT" "${1-}" <<'PYTHON'
import socket, sys, time
started = time.monotonic()
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
begin = bytes(sys.argv[2], "ascii").decode("unicode_escape").encode("latin1")
if begin:
    client.sendall(begin)
    assert client.recv(1) == b"S"
try:
    assert client.recv(1) == b""
except TimeoutError:
    sys.exit("still open after 5 s")
seconds = time.monotonic() - started
print(f"shut after {seconds:.3f} s")
sys.exit(not 1.0 <= seconds <= 1.6)
PYTHON
}

nginx_conf() {
    cat <<END
daemon on;
worker_processes 1;
pid $DIR/nginx.pid;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $DIR/b; proxy_temp_path $DIR/p; fastcgi_temp_path $DIR/f;
    uwsgi_temp_path $DIR/u; scgi_temp_path $DIR/s;
    server {
        listen 127.0.0.1:$PORT ssl;
        ssl_certificate $DIR/cert.pem;
        ssl_certificate_key $DIR/key.pem;
    }
}
END
}

# pid_file FILE [OTHER]: it has a pid, other than OTHER
pid_file() {
    [[ -s $1 && $(<"$1") != "${2-}" ]]
}

@test "nginx: the environment of a drop-in, through an upgrade on the fly as well" {
    { recipe nginx 2 && nginx_conf; } >nginx.conf
    grep -q '^env LD_PRELOAD;' nginx.conf
    install -m 666 /dev/null "$LOG" # the new master gets its sockets open, so a worker opens the log
    local settings old
    mapfile -t settings < <({ recipe systemd && recipe nginx 1; } | sed -n 's/^Environment=//p')
    [[ ${#settings[@]} -eq 4 ]]
    env "${settings[@]}" /usr/sbin/nginx -c "$DIR/nginx.conf" -e "$DIR/error.log" 3>&-
    wait_for pid_file nginx.pid
    old=$(<nginx.pid)
    STARTED+=("$old")
    silent_client_is_shut
    kill -USR2 "$old"
    wait_for pid_file nginx.pid "$old"
    STARTED+=("$(<nginx.pid)")
    kill -QUIT "$old"
    while kill -0 "$old" 2>/dev/null; do sleep 0.05; done
    silent_client_is_shut
    [[ $(grep -c '(silent)' "$LOG") -eq 2 ]]
}

@test "Apache: the lines for its envvars" {
    local modules=/usr/lib/apache2/modules
    {
        echo "export APACHE_RUN_USER=www-data APACHE_RUN_GROUP=www-data"
        echo "export APACHE_PID_FILE=$DIR/apache.pid APACHE_RUN_DIR=$DIR APACHE_LOCK_DIR=$DIR APACHE_LOG_DIR=$DIR"
        recipe Apache
    } >envvars
    cat >apache2.conf <<END
ServerRoot $DIR
ServerName localhost
PidFile $DIR/apache.pid
ErrorLog $DIR/error.log
Mutex file:$DIR
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule ssl_module $modules/mod_ssl.so
User www-data
Group www-data
Listen 127.0.0.1:$PORT https
AcceptFilter https none
SSLEngine on
SSLCertificateFile $DIR/cert.pem
SSLCertificateKeyFile $DIR/key.pem
DocumentRoot $DIR
END
    APACHE_CONFDIR=$DIR APACHE_ENVVARS=$DIR/envvars apache2ctl -d "$DIR" -f "$DIR/apache2.conf" -k start 3>&-
    wait_for pid_file apache.pid
    STARTED+=("$(<apache.pid)")
    wait_for port_listens "$PORT"
    silent_client_is_shut
    grep -q '(silent)' "$LOG"
}

@test "PostgreSQL: the lines for its environment file, started as Debian does" {
    local version
    version=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1 | cut -d / -f 5)
    export PG_CLUSTER_CONF_ROOT=$DIR/etc
    install -o postgres -m 600 key.pem pgkey.pem
    pg_createcluster "$version" recipe -p "$PORT" -d "$DIR/data" -l "$DIR/log" -s "$DIR/run" >/dev/null
    recipe PostgreSQL >>"$DIR/etc/$version/recipe/environment"
    : >"$LOG"
    chown postgres "$LOG"
    cat >>"$DIR/etc/$version/recipe/postgresql.conf" <<END
unix_socket_directories = ''
ssl = on
ssl_cert_file = '$DIR/cert.pem'
ssl_key_file = '$DIR/pgkey.pem'
END
    pg_ctlcluster --skip-systemctl-redirect "$version" recipe start 3>&-
    STARTED+=("$(head -n 1 data/postmaster.pid)")
    wait_for port_listens "$PORT"
    silent_client_is_shut '\x00\x00\x00\x08\x04\xd2\x16\x2f'
    grep -q '(silent)' "$LOG"
}

# bats test_tags=slow
@test "Dovecot: the lines for its configuration" {
    need dovecot dovecot-imapd
    {
        cat <<END
base_dir = $DIR/base
state_dir = $DIR/state
protocols = imap
listen = 127.0.0.1
log_path = $DIR/dovecot.log
ssl = yes
ssl_cert = <$DIR/cert.pem
ssl_key = <$DIR/key.pem
passdb {
  driver = static
  args = password=none
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=$DIR
}
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = $PORT
  }
}
END
        recipe Dovecot
    } >dovecot.conf
    env -i PATH="$PATH" dovecot -F -c "$DIR/dovecot.conf" 3>&- &
    STARTED+=($!)
    wait_for port_listens "$PORT"
    silent_client_is_shut
    grep -q 'handshake deadline: .*(silent)' dovecot.log
}

# bats test_tags=slow
@test "Postfix: the lines for main.cf" {
    need postfix postfix
    local directory daemons=/usr/lib/postfix/sbin
    mkdir spool data
    for directory in active bounce corrupt defer deferred flush hold incoming private saved trace; do
        install -d -o postfix -m 700 "spool/$directory"
    done
    install -d -o postfix -g postdrop -m 710 spool/public
    install -d -o postfix -g postdrop -m 730 spool/maildrop
    install -d spool/pid
    chown postfix data
    install -m 666 /dev/null "$LOG"
    {
        cat <<END
compatibility_level = 3.6
queue_directory = $DIR/spool
data_directory = $DIR/data
daemon_directory = $daemons
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
maillog_file_prefixes = $DIR
maillog_file = $DIR/maillog
smtpd_tls_cert_file = $DIR/cert.pem
smtpd_tls_key_file = $DIR/key.pem
smtpd_tls_security_level = may
smtpd_peername_lookup = no
END
        recipe Postfix
        echo "  { SHAKEOUT_PORTS=465,$PORT }"
    } >main.cf
    # What the manual puts in front is what this Postfix has.
    diff <(postconf -d -h import_environment | tr ' ' '\n') \
        <(recipe Postfix | tr ' ' '\n' | grep -vE '^(import_environment|=|LD_PRELOAD=.*|SHAKEOUT_.*|)$')
    cat >master.cf <<END
127.0.0.1:$PORT inet n - n - 10 smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
END
    # A session of its own: the master ends its whole process group.
    setsid env -i PATH="$PATH" "$daemons/master" -d -c "$DIR" 3>&- &
    STARTED+=($!)
    wait_for port_listens "$PORT"
    silent_client_is_shut
    grep -q '(silent)' "$LOG"
    local worker
    worker=$(pgrep -P "${STARTED[0]}" smtpd)
    grep -qzx "SHAKEOUT_PORTS=465,$PORT" "/proc/$worker/environ"
}
