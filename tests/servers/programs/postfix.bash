# shellcheck shell=bash
# start_postfix smtps|starttls|postscreen: Postfix's master in the foreground, its queue in DIR.
start_postfix() {
    local daemons=/usr/lib/postfix/sbin directory
    mkdir spool data
    for directory in active bounce corrupt defer deferred flush hold incoming private saved trace; do
        install -d -o postfix -m 700 "spool/$directory"
    done
    install -d -o postfix -g postdrop -m 710 spool/public
    install -d -o postfix -g postdrop -m 730 spool/maildrop
    install -d spool/pid
    chown postfix data
    cat >main.cf <<END
compatibility_level = 3.6
queue_directory = $DIR/spool
data_directory = $DIR/data
daemon_directory = $daemons
command_directory = /usr/sbin
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination = localhost
maillog_file_prefixes = $DIR
maillog_file = $DIR/maillog
import_environment = MAIL_CONFIG TZ LD_PRELOAD SHAKEOUT_TIMEOUT SHAKEOUT_PORTS SHAKEOUT_PRESSURE SHAKEOUT_LOG
smtpd_tls_cert_file = $CERT
smtpd_tls_key_file = $KEY
smtpd_tls_security_level = may
smtpd_timeout = ${HOUR}s
smtpd_starttls_timeout = ${HOUR}s
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
postscreen_greet_wait = 1s
postscreen_greet_banner =
postscreen_command_time_limit = ${HOUR}s
postscreen_cache_map =
postscreen_access_list =
postscreen_bare_newline_enable = yes
postscreen_bare_newline_action = enforce
postscreen_client_connection_count_limit = 500
END
    {
        case $1 in
        smtps) echo "127.0.0.1:$PORT inet n - n - 300 smtpd -o smtpd_tls_wrappermode=yes" ;;
        starttls) echo "127.0.0.1:$PORT inet n - n - 300 smtpd" ;;
        postscreen)
            echo "127.0.0.1:$PORT inet n - n - 1 postscreen"
            echo "smtpd pass - - n - - smtpd"
            echo "tlsproxy unix - - n - 0 tlsproxy"
            echo "dnsblog unix - - n - 0 dnsblog"
            ;;
        esac
        echo "cleanup unix n - n - 0 cleanup"
        echo "tlsmgr unix - - n 1000? 1 tlsmgr"
        echo "rewrite unix - - n - - trivial-rewrite"
        echo "proxymap unix - - n - - proxymap"
        echo "anvil unix - - n - 1 anvil"
        echo "postlog unix-dgram n - n - 1 postlogd"
    } >master.cf
    exec "$RUN" "$daemons/master" -d -c "$DIR"
}
