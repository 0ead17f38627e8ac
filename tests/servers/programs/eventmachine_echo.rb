# An echo server over TLS in EventMachine.
require 'eventmachine'

module Echo
  def post_init
    start_tls(private_key_file: ENV['KEY'], cert_chain_file: ENV['CERT'])
  end

  def receive_data(data)
    send_data(data)
  end
end

EventMachine.run { EventMachine.start_server('127.0.0.1', ENV['PORT'].to_i, Echo) }
