"""An OCSP responder (RFC 6960) that takes its time: every certificate of its authority is good.

    ocsp_responder.py PORT SECONDS CA CA_KEY INDEX

INDEX is the authority's list, as openssl-ocsp(1) reads it. A line on stdout for each answer."""

import http.server
import subprocess
import sys
import time

PORT, SECONDS, CA, CA_KEY, INDEX = sys.argv[1:]


class Responder(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(float(SECONDS))
        answer = subprocess.run(
            ["openssl", "ocsp", "-index", INDEX, "-CA", CA, "-rsigner", CA, "-rkey", CA_KEY,
             "-reqin", "/dev/stdin", "-respout", "/dev/stdout", "-ndays", "1"],
            input=request, stdout=subprocess.PIPE, check=True).stdout
        self.send_response(200)
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        print("answered", flush=True)


http.server.HTTPServer(("127.0.0.1", int(PORT)), Responder).serve_forever()
