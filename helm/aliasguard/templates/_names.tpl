{{/* A name of at most 51 characters, so that it fits everywhere with "-controller" or "-policy-1024" behind it: a
     DNS label that begins with a letter. What had to be changed ends in a hash of what it was, so that two stay two. */}}
{{- define "aliasguard.label" -}}
{{- $name := regexReplaceAll "[^a-z0-9-]" (lower .) "-" -}}
{{- if regexMatch "^[^a-z]" $name }}{{ $name = printf "ag-%s" $name }}{{ end -}}
{{- if and (eq $name .) (le (len $name) 51) -}}
{{- $name -}}
{{- else -}}
{{- printf "%s-%s" ($name | trunc 42 | trimSuffix "-") (sha256sum . | trunc 8) -}}
{{- end -}}
{{- end -}}

{{- define "aliasguard.fullname" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- include "aliasguard.label" .Values.fullnameOverride -}}
{{- else if contains $chart .Release.Name -}}
{{- include "aliasguard.label" .Release.Name -}}
{{- else -}}
{{- include "aliasguard.label" (printf "%s-%s" .Release.Name $chart) -}}
{{- end -}}
{{- end -}}

{{- define "aliasguard.controller" -}}{{ include "aliasguard.fullname" . }}-controller{{- end -}}
{{- define "aliasguard.authorizer" -}}{{ include "aliasguard.fullname" . }}-authorizer{{- end -}}

{{/* The policy: ConfigMap NAME, and NAME-1 and so on when it is large. */}}
{{- define "aliasguard.policy" -}}{{ include "aliasguard.fullname" . }}-policy{{- end -}}

{{- define "aliasguard.lease" -}}{{ include "aliasguard.controller" . }}{{- end -}}

{{- define "aliasguard.controllerAccount" -}}
{{- default (include "aliasguard.controller" .) .Values.controller.serviceAccount.name -}}
{{- end -}}
{{- define "aliasguard.authorizerAccount" -}}
{{- default (include "aliasguard.authorizer" .) .Values.authorizer.serviceAccount.name -}}
{{- end -}}

{{/* Cluster-wide: colons keep namespace and name apart. */}}
{{- define "aliasguard.clusterName" -}}aliasguard:{{ .Release.Namespace }}:{{ include "aliasguard.fullname" . }}{{- end -}}

{{/* (list ROOT COMPONENT): what never changes in the life of a Deployment. */}}
{{- define "aliasguard.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* (list ROOT COMPONENT) */}}
{{- define "aliasguard.labels" -}}
{{- $root := index . 0 -}}
{{- with omit $root.Values.commonLabels "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/part-of" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{- toYaml . }}
{{ end -}}
{{ include "aliasguard.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: aliasguard
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}
