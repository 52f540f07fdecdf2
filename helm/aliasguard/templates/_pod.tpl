{{/* Pieces that the pods of both Deployments share. */}}

{{- define "aliasguard.image" -}}
{{- $image := .Values.image -}}
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

{{/* (dict memory PERCENT): that share of a quantity such as 512Mi, in MiB; nothing where there is none. */}}
{{- define "aliasguard.heapMiB" -}}
{{- if .memory -}}
{{- $text := toString .memory -}}
{{- if kindIs "float64" .memory }}{{ $text = toString (int64 .memory) }}{{ end -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $text -}}
{{- $unit := get $units (trimPrefix $number $text) -}}
{{- divf (mulf (float64 $number) $unit .percent) 104857600.0 | floor | int64 | max 16 -}}
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

{{/* Probes that both have. A process that is starting is asked every second, so that it is in use within one. */}}
{{- define "aliasguard.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 3
{{- end -}}
