// TLS in front of the gRPC server: new material for new connections, and who may connect. A peer that may not never
// reaches HTTP/2. Sessions are not resumed, so that each connection is judged by the certificates of its moment.

import { constants, type X509Certificate } from "node:crypto";
import type { Http2Server, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";

/** PEM. Key and certificate belong together: whoever hands them over has seen to it. */
export type TlsMaterial = {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Authorities of clients; undefined: no client is asked for a certificate. */
  readonly clientCa: Buffer | undefined;
  /** The same, one by one. */
  readonly authorities: readonly X509Certificate[];
};

export type TlsSettings = {
  readonly minVersion: "1.2" | "1.3";
  /** DNS names and URIs, one of which a client's certificate must hold; none: any that clientCa vouches for. */
  readonly clientNames: readonly string[];
};

/** Why a connection came to nothing. `handshake`: before a certificate was judged, or by the client's own wish. */
export const tlsRefusals = [
  "no_certificate",
  "untrusted",
  "expired",
  "name_not_allowed",
  "handshake",
] as const;
export type TlsRefusal = (typeof tlsRefusals)[number];

export type TlsGate = {
  /** In force for every connection from now on. Ends those whose client is no longer vouched for. */
  replace(material: TlsMaterial): void;
  /** What listens in `server`'s place. `onSocket` gets each connection before its handshake. */
  listenerFor(server: Http2Server, onSocket: (socket: Socket) => void): Server;
};

export type TlsGateDeps = {
  readonly settings: TlsSettings;
  /** `detail` is for people: names a peer claims, or what OpenSSL said. */
  readonly onRefused: (refusal: TlsRefusal, detail: string) => void;
};

/** Milliseconds for a handshake. Node's default of 120 s lets silent peers gather. */
const handshakeMsMax = 10_000;
/** Milliseconds that running calls get on a connection whose client is no longer welcome. */
const lastCallsMs = 30_000;
/** A timer of Node can wait no longer. */
const timerMsMax = 2 ** 31 - 1;
const detailMax = 200;

/** `replace` must have been called before the first `listenerFor`. */
export function createTlsGate({ settings, onRefused }: TlsGateDeps): TlsGate {
  const allowed: ReadonlySet<string> = new Set(settings.clientNames);
  const listeners = new Set<Server>();
  const sessions = new Map<ServerHttp2Session, X509Certificate>();
  let material: TlsMaterial | undefined;

  /** undefined: welcome. */
  function refusalOf(socket: TLSSocket): readonly [TlsRefusal, string] | undefined {
    if (material?.clientCa === undefined) return undefined;
    const peer = socket.getPeerX509Certificate();
    if (peer === undefined) return ["no_certificate", "the client sent no certificate"];
    const names = peer.subjectAltName ?? `${peer.subject} and no subjectAltName`;
    if (!socket.authorized) {
      const code = String(socket.authorizationError);
      return [code === "CERT_HAS_EXPIRED" ? "expired" : "untrusted", `${code}: ${names}`];
    }
    if (allowed.size > 0 && !certificateNames(peer).some((name) => allowed.has(name))) {
      return ["name_not_allowed", names];
    }
    return undefined;
  }

  return {
    replace(next) {
      material = next;
      for (const listener of listeners) listener.setSecureContext(contextOf(next, settings));
      for (const [session, peer] of sessions) if (!isVouchedFor(peer, next)) end(session);
    },
    listenerFor(server, onSocket) {
      if (material === undefined) throw new Error("there is no certificate yet");
      const listener = createServer({
        ...contextOf(material, settings),
        requestCert: material.clientCa !== undefined,
        // Node would end such a connection without a word; it is judged below.
        rejectUnauthorized: false,
        ALPNProtocols: ["h2"],
        handshakeTimeout: handshakeMsMax,
      });
      listener.on("connection", onSocket);
      listener.on("tlsClientError", (error: NodeJS.ErrnoException) => {
        onRefused("handshake", (error.code ?? error.message).slice(0, detailMax));
      });
      listener.on("secureConnection", (socket: TLSSocket) => {
        socket.on("error", () => {});
        const refusal = refusalOf(socket);
        if (refusal === undefined) {
          // Envoy's health checks name no protocol (1.40), and gRPC knows but one; other names end the handshake.
          if (socket.alpnProtocol === false) socket.alpnProtocol = "h2";
          server.emit("connection", socket);
        } else {
          onRefused(refusal[0], refusal[1].slice(0, detailMax));
          socket.destroy();
        }
      });
      server.on("session", (session) => watch(session, sessions));
      listeners.add(listener);
      listener.once("close", () => listeners.delete(listener));
      return listener;
    },
  };
}

function contextOf({ cert, key, clientCa }: TlsMaterial, { minVersion }: TlsSettings) {
  return {
    ...{ cert, key, minVersion: `TLSv${minVersion}` as const },
    ...(clientCa === undefined ? {} : { ca: clientCa }),
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/** DNS names and URIs. Node puts a name in quotes that holds what could pass for the next one: such a name is none. */
function certificateNames({ subjectAltName }: X509Certificate): readonly string[] {
  const plain = (subjectAltName ?? "").replace(/"(?:[^"\\]|\\.)*"/g, "");
  return plain.split(", ").flatMap((each) => /^(?:DNS|URI):(.+)$/.exec(each)?.[1] ?? []);
}

/** Keeps an eye on a connection whose client showed a certificate: it ends when that does. */
function watch(
  session: ServerHttp2Session,
  sessions: Map<ServerHttp2Session, X509Certificate>,
): void {
  const socket = session.socket as Partial<TLSSocket>;
  const peer = socket.getPeerX509Certificate?.();
  if (peer === undefined) return;
  sessions.set(session, peer);
  const leftMs = Date.parse(peer.validTo) - Date.now();
  const timer = setTimeout(() => end(session), Math.min(Math.max(0, leftMs), timerMsMax));
  timer.unref();
  session.once("close", () => {
    sessions.delete(session);
    clearTimeout(timer);
  });
}

/** Directly: where an intermediate stands between, the client connects anew and shows it. */
function isVouchedFor(peer: X509Certificate, { clientCa, authorities }: TlsMaterial): boolean {
  if (clientCa === undefined) return true;
  return authorities.some((ca) => peer.checkIssued(ca) && peer.verify(ca.publicKey));
}

function end(session: ServerHttp2Session): void {
  session.close();
  const timer = setTimeout(() => session.destroy(), lastCallsMs);
  timer.unref();
  session.once("close", () => clearTimeout(timer));
}
