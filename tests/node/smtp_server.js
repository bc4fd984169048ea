// npm's smtp-server: tells each session, envelope and message on a line of its own as JSON.
// Arguments: port, then options of the server as JSON. The token "good token" and the password "secret" are right.
import { SMTPServer } from "smtp-server";

const [port, options] = [Number(process.argv[2]), JSON.parse(process.argv[3] ?? "{}")];
const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");

const server = new SMTPServer({
  name: "node.test",
  disabledCommands: ["STARTTLS"],
  authMethods: ["PLAIN", "LOGIN", "XOAUTH2"],
  authOptional: true,
  allowInsecureAuth: true,
  hideDSN: false,
  hideENHANCEDSTATUSCODES: false,
  disableReverseLookup: true,
  ...options,
  onConnect(session, callback) {
    tell({ event: "session", id: session.id });
    callback();
  },
  onAuth(auth, session, callback) {
    tell({ event: "auth", method: auth.method, user: auth.username });
    if (auth.method === "XOAUTH2" && auth.accessToken === "good token") return callback(null, { user: auth.username });
    if (auth.method === "XOAUTH2") return callback(null, { data: { status: "401", schemes: "bearer", scope: "mail.submit" } });
    if (auth.password === "secret") return callback(null, { user: auth.username });
    callback(new Error("wrong password"));
  },
  onRcptTo(address, session, callback) {
    const reply = { "unknown@x.test": [550, "5.1.1 no such user"], "later@x.test": [450, "4.2.1 come again"] }[address.address];
    if (!reply) return callback();
    callback(Object.assign(new Error(reply[1]), { responseCode: reply[0] }));
  },
  onData(stream, session, callback) {
    const pieces = [];
    stream.on("data", (piece) => pieces.push(piece));
    stream.on("end", () => {
      const { mailFrom, rcptTo, dsn, bodyType, smtpUtf8 } = session.envelope;
      const envelope = { mailFrom, rcptTo, dsn, bodyType, smtpUtf8 };
      tell({ event: "message", session: session.id, user: session.user, envelope, content: Buffer.concat(pieces).toString("base64") });
      callback(stream.sizeExceeded ? Object.assign(new Error("too large"), { responseCode: 552 }) : null, "taken");
    });
  },
});
server.on("error", (error) => tell({ event: "error", message: String(error) }));
server.listen(port, "127.0.0.1");
