{{/* What the renderings for a gateway share. The filters, replies and removals are those of deploy/envoy: files/gateway. */}}

{{- define "aliasguard.gatewayName" -}}{{ include "aliasguard.fullname" . }}-envoy{{- end -}}
{{- define "aliasguard.gatewayNamespace" -}}{{ default .Release.Namespace .Values.gateway.namespace }}{{- end -}}
{{- define "aliasguard.serviceHost" -}}
{{- $sidecar := and (eq .Values.gateway.type "istio") (eq .Values.gateway.target.context "SIDECAR_INBOUND") -}}
{{ include "aliasguard.fullname" . }}{{ if $sidecar }}-clusterip{{ end }}.{{ .Release.Namespace }}.svc.cluster.local
{{- end -}}

{{- define "aliasguard.modelHeader" -}}{{ first (default (list "x-model") .Values.settings.modelHeaders) }}{{- end -}}

{{/* Limits in their order, all from the authorizer's own: body, check, buffer. */}}
{{- define "aliasguard.bodyBytesMax" -}}{{ int64 (default 33554432 .Values.settings.bodyBytesMax) }}{{- end -}}
{{- define "aliasguard.checkBytesMax" -}}{{ add (include "aliasguard.bodyBytesMax" . | int64) 65536 }}{{- end -}}
{{- define "aliasguard.bufferBytesMax" -}}{{ add (include "aliasguard.bodyBytesMax" . | int64) 131072 }}{{- end -}}

{{/* The shipped bootstrap of the mode, as JSON. */}}
{{- define "aliasguard.bootstrap" -}}
{{- $file := ternary "envoy-ext-proc.yaml" "envoy.yaml" (eq .Values.gateway.mode "extProc") -}}
{{- .Files.Get (printf "files/gateway/%s" $file) | fromYaml | toJson -}}
{{- end -}}

{{/* Its HTTP connection manager, as JSON, with the model headers and limits of this release. */}}
{{- define "aliasguard.connectionManager" -}}
{{- $bootstrap := include "aliasguard.bootstrap" . | fromJson -}}
{{- $chain := first (first $bootstrap.static_resources.listeners).filter_chains -}}
{{- $manager := (first $chain.filters).typed_config -}}
{{- $removals := list -}}
{{- range default (list "x-model") .Values.settings.modelHeaders }}{{ $removals = append $removals (dict "remove" .) }}{{ end -}}
{{- $removals = append $removals (dict "remove_on_match" (dict "key_matcher" (dict "prefix" "x-aliasguard-"))) -}}
{{- $early := first $manager.early_header_mutation_extensions -}}
{{- $_ := set $early.typed_config "mutations" $removals -}}
{{- range $manager.http_filters }}
{{- if hasKey .typed_config "with_request_body" }}
{{- $_ := set .typed_config.with_request_body "max_request_bytes" (include "aliasguard.checkBytesMax" $ | int64) }}
{{- else if hasKey .typed_config "default_source_code" }}
{{- $_ := set .typed_config "default_source_code" (dict "inline_string" (include "aliasguard.splice" $)) }}
{{- end }}
{{- end -}}
{{- $manager | toJson -}}
{{- end -}}

{{/* splice.lua with the model headers of this release. */}}
{{- define "aliasguard.splice" -}}
{{- $headers := list -}}
{{- range default (list "x-model") .Values.settings.modelHeaders }}{{ $headers = append $headers (quote .) }}{{ end -}}
{{- .Files.Get "files/gateway/splice.lua" | replace "{ \"x-model\" }" (printf "{ %s }" (join ", " $headers)) -}}
{{- end -}}

{{/* (list FILTERS TYPE): the configuration of the filter of that type, as JSON. */}}
{{- define "aliasguard.filterConfig" -}}
{{- $type := index . 1 -}}
{{- range index . 0 }}
{{- if hasSuffix $type (index .typed_config "@type") }}{{ .typed_config | toJson }}{{ end }}
{{- end -}}
{{- end -}}

{{/* (list ROOT BACKEND): the address of a backend. */}}
{{- define "aliasguard.backendHost" -}}
{{- $root := index . 0 -}}
{{- $backend := index . 1 -}}
{{- if $backend.host }}{{ $backend.host }}{{ else -}}
{{ $backend.service }}.{{ default (include "aliasguard.gatewayNamespace" $root) $backend.namespace }}.svc.cluster.local
{{- end -}}
{{- end -}}

{{/* (ROOT): refuses what cannot be rendered, by name. */}}
{{- define "aliasguard.gatewayFaults" -}}
{{- $gateway := .Values.gateway -}}
{{- $target := $gateway.target -}}
{{- if and (eq $gateway.type "envoy") (not $gateway.routes) }}
{{- fail "gateway.type envoy wants gateway.routes: the backends by model, such as --set 'gateway.routes[0].model=*,gateway.routes[0].service=litellm,gateway.routes[0].port=4000'" }}
{{- end }}
{{- if and (eq $gateway.type "envoyGateway") (not $target.gatewayName) }}
{{- fail "gateway.type envoyGateway wants gateway.target.gatewayName: the Gateway to configure" }}
{{- end }}
{{- if and (eq $gateway.type "istio") (not $target.gatewayName) (not $target.selector) }}
{{- fail "gateway.type istio wants gateway.target.selector (classic gateway, sidecar) or gateway.target.gatewayName (Gateway API)" }}
{{- end }}
{{- if and (eq $gateway.type "istio") (eq $target.context "SIDECAR_INBOUND") (not .Values.authorizer.service.clusterIP) }}
{{- fail "gateway.target.context SIDECAR_INBOUND wants authorizer.service.clusterIP: a sidecar cannot ask a headless Service" }}
{{- end }}
{{- if and (has $gateway.type (list "istio" "envoyGateway")) (eq .Values.settings.bodyEdits "header-only") (eq $gateway.mode "extAuthz") }}
{{- fail "gateway.mode extAuthz renders the splice, which settings.bodyEdits header-only does without: use extProc" }}
{{- end }}
{{- range $gateway.routes }}
{{- if and .host (ne $gateway.type "envoy") }}{{ fail (printf "gateway.routes: host is for gateway.type envoy; %s routes to a service" $gateway.type) }}{{ end }}
{{- end }}
{{- end -}}

{{- define "aliasguard.notAuthorized" -}}
{"error":{"message":"No model was authorized.","type":"api_error","param":null,"code":"not_authorized"}}
{{- end -}}
{{- define "aliasguard.rewriteFailed" -}}
{"error":{"message":"The gateway could not put the authorized model into the request body.","type":"api_error","param":null,"code":"rewrite_failed"}}
{{- end -}}

{{/* (list ROOT BACKEND): as the Gateway API refers to it. */}}
{{- define "aliasguard.backendRef" -}}
{{- $backend := index . 1 -}}
{{- $ref := dict "name" $backend.service "port" (int $backend.port) -}}
{{- with $backend.namespace }}{{ $_ := set $ref "namespace" . }}{{ end -}}
{{- list $ref | toJson -}}
{{- end -}}

{{/* The routes by model of a Gateway. Envoy Gateway has filters for the refusals; elsewhere a rule without backends is one.
     An HTTPRoute holds 16 rules at most, so many routes are several objects: of equal matches the older object's counts,
     then the first one's by name, and a later object is never the older one. */}}
{{- define "aliasguard.httpRoute" -}}
{{- $gateway := .Values.gateway -}}
{{- $fullname := include "aliasguard.fullname" . -}}
{{- $isEnvoyGateway := eq $gateway.type "envoyGateway" -}}
{{- range $index, $routes := chunk 12 $gateway.routes }}
{{- if $index }}
---
{{- else }}
# Only what the authorizer named a model for goes on; everything else ends at the last rule.
{{- end }}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ $fullname }}{{ if $index }}{{ printf "-%02d" (add1 $index) }}{{ end }}
  namespace: {{ include "aliasguard.gatewayNamespace" $ }}
  labels:
    {{- include "aliasguard.labels" (list $ "gateway") | nindent 4 }}
spec:
  parentRefs: [{name: {{ $gateway.target.gatewayName }}}]
  rules:
    {{- if not $index }}
    - matches: [{path: {type: PathPrefix, value: /aliasguard-rewrite-pending}}]
      {{- if $isEnvoyGateway }}
      filters: [{type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: {{ $fullname }}-rewrite-failed}}]
      {{- end }}
    {{- end }}
    {{- range $routes }}
    {{- $value := dict "type" "Exact" "value" .model }}
    {{- if hasSuffix "*" .model }}{{ $value = dict "type" "RegularExpression" "value" (printf "%s.*" (regexQuoteMeta (trimSuffix "*" .model))) }}{{ end }}
    {{- if eq .model "*" }}{{ $value = dict "type" "RegularExpression" "value" ".+" }}{{ end }}
    - matches:
        - path: {type: PathPrefix, value: /}
          headers: [{{ merge (dict "name" (include "aliasguard.modelHeader" $)) $value | toJson }}]
      backendRefs: {{ include "aliasguard.backendRef" (list $ .) }}
    {{- end }}
    {{- if not $index }}
    {{- with $gateway.unchecked }}
    - matches: [{path: {type: PathPrefix, value: /}, headers: [{name: x-aliasguard-unchecked, type: RegularExpression, value: ".+"}]}]
      backendRefs: {{ include "aliasguard.backendRef" (list $ .) }}
    {{- end }}
    - matches: [{path: {type: PathPrefix, value: /}}]
      {{- if $isEnvoyGateway }}
      filters: [{type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: {{ $fullname }}-not-authorized}}]
      {{- end }}
    {{- end }}
{{- end }}
{{- end -}}
