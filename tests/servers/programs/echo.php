<?php
// An echo server over TLS: streams, one connection at a time.
$context = stream_context_create(["ssl" => [
    "local_cert" => getenv("CERT"), "local_pk" => getenv("KEY"), "verify_peer" => false,
]]);
$server = stream_socket_server("tls://127.0.0.1:" . getenv("PORT"), $number, $text,
    STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, $context);
while (true) {
    // A failed handshake returns false and a warning; so does an hour without a client.
    $client = @stream_socket_accept($server, (float) getenv("HOUR"));
    if ($client === false) {
        continue;
    }
    while (($line = fgets($client)) !== false) {
        fwrite($client, $line);
    }
    fclose($client);
}
