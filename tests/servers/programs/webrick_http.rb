# A web server over TLS: WEBrick, a thread for each connection.
require 'webrick'
require 'webrick/https'

server = WEBrick::HTTPServer.new(
  BindAddress: '127.0.0.1', Port: ENV['PORT'].to_i, RequestTimeout: ENV['HOUR'].to_i,
  MaxClients: 500, SSLEnable: true,
  SSLCertificate: OpenSSL::X509::Certificate.new(File.read(ENV['CERT'])),
  SSLPrivateKey: OpenSSL::PKey.read(File.read(ENV['KEY']))
)
server.mount_proc('/') { |_, response| response.body = "here\n" }
trap('TERM') { server.shutdown }
server.start
