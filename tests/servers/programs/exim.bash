# shellcheck shell=bash
# start_exim LINE: Exim in the foreground with its spool in DIR, and LINE in its configuration.
start_exim() {
    local exim=$ROOTS/exim4-daemon-light/usr/sbin/exim4
    chmod 777 "$DIR"
    # Its configuration must belong to root and be writable by nobody else.
    cat >exim.conf <<END
exim_path = $exim
primary_hostname = localhost
spool_directory = $DIR/spool
log_file_path = $DIR/%slog
pid_file_path = $DIR/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = $PORT
smtp_accept_max = 400
smtp_accept_queue = 400
smtp_connect_backlog = 300
smtp_receive_timeout = ${HOUR}s
smtp_enforce_sync = false
tls_certificate = $CERT
tls_privatekey = $KEY
tls_advertise_hosts = *
host_lookup =
rfc1413_hosts =
keep_environment = LD_PRELOAD : SHAKEOUT_TIMEOUT : SHAKEOUT_PORTS : SHAKEOUT_PRESSURE : SHAKEOUT_LOG
acl_smtp_connect = accept
$1
END
    exec "$RUN" "$exim" -C "$DIR/exim.conf" -bdf -oP "$DIR/exim.pid"
}
