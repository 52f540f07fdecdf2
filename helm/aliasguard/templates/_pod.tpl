{{/* Pieces that the pods of both Deployments share. */}}

{{- define "aliasguard.image" -}}
{{- $image := .Values.image -}}
{{- if not $image.repository }}
{{- fail "wanted image.repository, found none: build the image with deploy/Dockerfile, push it, and name it with --set image.repository=HOST/aliasguard" }}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* A setting as text: Helm reads every number of a values file as a float, and 33554432 must not become 3.3554432e+07. */}}
{{- define "aliasguard.settingText" -}}
{{- if kindIs "slice" . -}}
{{- join "," . -}}
{{- else if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ int64 . }}{{ else }}{{ printf "%.9f" . | trimAll "0" | printf "0%s" }}{{ end -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* (dict root component name: its Deployment): `replicas`, where the release decides them. Once somebody else has scaled, through
     the subresource as kubectl and autoscalers do, the number is theirs: writing it would be a conflict, or undo them. */}}
{{- define "aliasguard.replicas" -}}
{{- $wanted := .component.replicas -}}
{{- $scaling := default (dict) .component.autoscaling -}}
{{- if $scaling.enabled }}{{ $wanted = $scaling.minReplicas }}{{ end -}}
{{- $live := lookup "apps/v1" "Deployment" .root.Release.Namespace .name -}}
{{- $scaled := false -}}
{{- range ($live.metadata).managedFields }}
{{- if eq (default "" .subresource) "scale" }}{{ $scaled = true }}{{ end -}}
{{- end -}}
{{- if and (not $scaled) (not (kindIs "invalid" $wanted)) -}}
replicas: {{ $wanted }}
{{- end -}}
{{- end -}}

{{/* (dict component spec: what the chart sets): refuses what would stand twice. */}}
{{- define "aliasguard.podSpecExtras" -}}
{{- $own := list "containers" "volumes" "serviceAccountName" "terminationGracePeriodSeconds" "automountServiceAccountToken" "enableServiceLinks" "securityContext" "imagePullSecrets" "priorityClassName" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "dnsConfig" -}}
{{- range $name, $value := .podSpec }}
{{- if has $name $own }}{{ fail (printf "podSpec.%s is set by the chart: use the value of its own" $name) }}{{ end }}
{{- end -}}
{{- with .podSpec }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* A quantity of memory in bytes; nothing where there is none. */}}
{{- define "aliasguard.bytes" -}}
{{- if . -}}
{{- $text := toString . -}}
{{- if kindIs "float64" . }}{{ $text = toString (int64 .) }}{{ end -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $text -}}
{{- mulf (float64 $number) (get $units (trimPrefix $number $text)) | floor | int64 -}}
{{- end -}}
{{- end -}}

{{/* (dict memory PERCENT): that share of a quantity such as 512Mi, in MiB; nothing where there is none. */}}
{{- define "aliasguard.heapMiB" -}}
{{- with include "aliasguard.bytes" .memory -}}
{{- divf (mulf (float64 .) $.percent) 104857600.0 | floor | int64 | max 16 -}}
{{- end -}}
{{- end -}}

{{/* (dict component VALUES variables DICT): the chart's variables, but for those that extraEnv names, and extraEnv. */}}
{{- define "aliasguard.env" -}}
{{- $variables := .variables -}}
{{- $limits := default (dict) (default (dict) .component.resources).limits -}}
{{- $heap := include "aliasguard.heapMiB" (dict "memory" $limits.memory "percent" .component.heapPercent) -}}
{{- if $heap }}{{ $variables = set $variables "NODE_OPTIONS" (printf "--max-old-space-size=%s" $heap) }}{{ end -}}
{{- $named := list -}}
{{- range .component.extraEnv }}{{ $named = append $named .name }}{{ end -}}
{{- range $name, $value := $variables }}
{{- if not (has $name $named) }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- with .component.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* (list ROOT COMPONENT-NAME COMPONENT-VALUES): labels and annotations of a pod. */}}
{{- define "aliasguard.podMetadata" -}}
{{- $root := index . 0 -}}
{{- $component := index . 2 -}}
labels:
  {{- $own := include "aliasguard.labels" (list $root (index . 1)) | fromYaml }}
  {{- toYaml (merge (dict) $own $component.podLabels) | nindent 2 }}
{{- with $component.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The same list: everything of a pod's spec but its containers. */}}
{{- define "aliasguard.podSpec" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $component := index . 2 -}}
automountServiceAccountToken: true
# A Service named aliasguard would add variables that look like settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- with $root.Values.runAsUser }}
  runAsUser: {{ . }}
  runAsGroup: {{ . }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "aliasguard.podSpecExtras" $component }}
{{ . }}
{{- end }}
{{- with $component.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $component.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.topologySpread }}
{{- if and .enabled .topologyKeys }}
topologySpreadConstraints:
  {{- $spread := . }}
  {{- range .topologyKeys }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: {{ $spread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "aliasguard.selector" (list $root $name) | nindent 8 }}
    # Pods of the revision that is on its way out do not count.
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* (list ROOT COMPONENT-VALUES): of a container. */}}
{{- define "aliasguard.container" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
image: {{ include "aliasguard.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
{{- with $component.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* (COMPONENT-VALUES): probes that both have. A process that is starting is asked every second, so that it is in use within one. */}}
{{- define "aliasguard.probes" -}}
{{- $probes := default (dict) .probes -}}
startupProbe:
  httpGet: {path: /healthz, port: admin}
  {{- merge (dict) (default (dict) $probes.startup) (dict "periodSeconds" 1 "failureThreshold" 60) | toYaml | nindent 2 }}
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  {{- merge (dict) (default (dict) $probes.liveness) (dict "periodSeconds" 10 "timeoutSeconds" 5 "failureThreshold" 6) | toYaml | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  {{- merge (dict) (default (dict) $probes.readiness) (dict "periodSeconds" 2 "timeoutSeconds" 2 "failureThreshold" 3) | toYaml | nindent 2 }}
{{- end -}}

{{/* What a monitor of the Prometheus operator says of the port: (a monitor's values). */}}
{{- define "aliasguard.endpoint" -}}
port: admin
path: /metrics
interval: {{ .interval }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- end -}}

{{/* (list ROOT KIND VALUE): a clear failure where the cluster has no such kind of the Prometheus operator. */}}
{{- define "aliasguard.needsMonitoring" -}}
{{- $root := index . 0 -}}
{{- if not ($root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" (index . 1))) -}}
{{- fail (printf "%s wants the API monitoring.coreos.com/v1 %s, which this cluster does not have: install the Prometheus operator first (helm template: --api-versions monitoring.coreos.com/v1/%s)" (index . 2) (index . 1) (index . 1)) -}}
{{- end -}}
{{- end -}}
