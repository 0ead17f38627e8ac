# shellcheck shell=bash
# start_dovecot imap|pop3 ssl|plain: one listener, the login processes as Dovecot ships them
# (chrooted, without privileges), but enough of them for a flood.
start_dovecot() {
    local protocol=$1 used=$1 unused=${1}s
    [[ $2 == plain ]] || { used=${1}s unused=$1; }
    chmod 755 "$DIR"
    cat >dovecot.conf <<END
base_dir = $DIR/base
state_dir = $DIR/state
protocols = $protocol
listen = 127.0.0.1
log_path = /dev/stderr
ssl = yes
ssl_cert = <$CERT
ssl_key = <$KEY
import_environment = TZ LD_PRELOAD SHAKEOUT_TIMEOUT SHAKEOUT_PORTS SHAKEOUT_PRESSURE SHAKEOUT_LOG
passdb {
  driver = static
  args = password=none
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=$DIR
}
mail_location = maildir:$DIR/mail
service $protocol-login {
  process_limit = ${SLOTS:-400}
  inet_listener $unused {
    port = 0
  }
  inet_listener $used {
    port = $PORT
  }
}
END
    exec "$RUN" dovecot -F -c "$DIR/dovecot.conf"
}
