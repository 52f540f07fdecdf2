// What the bootstraps hold as comments, for callers that need it: browsers, and bodies that come compressed. Both stand
// before the check. Take "# " away from each line of a block; a test does, and drives them.

/** Which pages of other origins may call, on the virtual host; without the filter below it means nothing. */
export const browserPolicy = `              # Browsers, 1 of 2 (of 4 with ext_authz): name the origins; any page of theirs can then use the keys that it holds.
              # typed_per_filter_config:
              #   envoy.filters.http.cors:
              #     "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy
              #     allow_origin_string_match: [{exact: "https://app.example.com"}]
              #     allow_methods: GET, POST
              #     # The callers' own headers; SDKs in browsers send x-stainless-* too, each by its name.
              #     allow_headers: authorization, content-type, x-api-key, api-key, x-goog-api-key, anthropic-version, anthropic-beta, anthropic-dangerous-direct-browser-access, x-stainless-arch, x-stainless-lang, x-stainless-os, x-stainless-package-version, x-stainless-retry-count, x-stainless-runtime, x-stainless-runtime-version, x-stainless-timeout, x-stainless-helper-method
              #     expose_headers: x-request-id, x-should-retry, retry-after
              #     max_age: "600"`;

export const browserFilter = `          # Browsers, 2. A preflight carries no key, so it is answered before the check; refusals can be read by the page.
          # - name: envoy.filters.http.cors
          #   typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}`;

/** With ext_authz: a request that is answered by a route itself has no policy of browsers, so theirs has another one. */
export const browserRoute = `              # Browsers, 3 of 4: the policy above counts on a route to a cluster only. Nothing is behind it: it answers 503.
              # - name: not-authorized
              #   match: {prefix: /, headers: [{name: origin, present_match: true}]}
              #   route: {cluster: nowhere}`;

export const browserCluster = `  # Browsers, 4 of 4: no endpoints.
  # - name: nowhere
  #   type: STATIC
  #   connect_timeout: 1s
`;

function decompressor(encoding: "gzip" | "zstd", message: string): string {
  const library = `envoy.extensions.compression.${encoding}.decompressor.v3.${message}`;
  return `          # - name: envoy.filters.http.decompressor.${encoding}
          #   typed_config:
          #     "@type": type.googleapis.com/envoy.extensions.filters.http.decompressor.v3.Decompressor
          #     decompressor_library: {name: ${encoding}, typed_config: {"@type": type.googleapis.com/${library}}}
          #     request_direction_config: {advertise_accept_encoding: false}
          #     response_direction_config: {common_config: {enabled: {default_value: false, runtime_key: decompress_responses}}}`;
}

export const decompressors = `          # Bodies that come with content-encoding gzip or zstd: the authorizer refuses them with 415, for it reads what the
          # backend reads. With these the check, the edits and the backend all get the plain body.
          # - name: envoy.filters.http.header_mutation
          #   typed_config:
          #     "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
          #     mutations:
          #       request_mutations: # why: the check is told how many bytes came, and must know that they were others
          #       - append: {header: {key: x-aliasguard-received-encoding, value: "%REQ(CONTENT-ENCODING)%"}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
${decompressor("gzip", "Gzip")}
${decompressor("zstd", "Zstd")}`;
